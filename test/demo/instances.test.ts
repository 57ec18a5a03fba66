import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { startRedis } from '../support/redis-server.ts'
import { type DemoProcess, startDemo, startSearchingDemo } from './demo-process.ts'
import { live, refused, Visitor } from './visitor.ts'

const ARGS = ['--port', '0', '--instances', '3']

describe('several instances', { timeout: 60_000 }, () => {
  it('share their sessions on Redis', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    await sharing(t, await startDemo(['--redis-url', redis.url, ...ARGS]))
  })

  it('share their sessions in memory', async (t) => {
    await sharing(t, await startSearchingDemo(ARGS, { env: { PATH: '/nowhere' } }))
  })

  it('share their sessions when they are processes of their own', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demos = await Promise.all([0, 1].map(() => startDemo(['--redis-url', redis.url, '--port', '0'])))
    for (const demo of demos) t.after(demo.stop)
    await goesOn(demos.map(({ urls }) => urls[0] as string))
  })

  it('each say which one they are, and lead to the others under the same host name', async (t) => {
    const demo = await startSearchingDemo(ARGS, { env: { PATH: '/nowhere' } })
    t.after(demo.stop)
    for (const host of ['localhost', '127.0.0.1']) {
      for (const [i, url] of demo.urls.entries()) {
        const { port } = new URL(url)
        const html = await (await fetch(`http://${host}:${port}/`)).text()
        assert.match(html, new RegExp(`Served by instance ${i + 1} of 3`))
        const links = [...html.matchAll(/<a href="([^"]+)"/g)].map(([, href]) => href)
        const others = demo.urls.filter((other) => other !== url)
        assert.deepEqual(
          links,
          others.map((other) => `http://${host}:${new URL(other).port}/`),
        )
      }
    }
  })

  it('say nothing of instances when there is one', async (t) => {
    const demo = await startSearchingDemo(['--port', '0'], { env: { PATH: '/nowhere' } })
    t.after(demo.stop)
    assert.doesNotMatch(await (await fetch(demo.urls[0] as string)).text(), /instance/i)
  })
})

async function sharing(t: TestContext, demo: DemoProcess): Promise<void> {
  t.after(demo.stop)
  assert.equal(demo.urls.length, 3)
  await goesOn(demo.urls)
}

/** A session started on the first goes on at each of the others, and ends for all. */
async function goesOn(urls: readonly string[]): Promise<void> {
  const [first, ...others] = urls.map((url) => new Visitor(url)) as [Visitor, ...Visitor[]]
  const { session_id: id } = live(await first.post('/login', { username: 'andrew' }))
  let views = 1
  for (const other of others) {
    other.cookie = first.cookie
    views++
    const { session_id, session } = live(await other.post('/increment'))
    assert.deepEqual([session_id, session.username, session.page_views], [id, 'andrew', `${views}`])
  }
  assert.equal(live(await first.get('/session')).session.page_views, `${views}`)
  assert.equal((await (others.at(-1) as Visitor).post('/logout')).status, 200)
  refused(await first.get('/session'), 401, 'Session expired')
}
