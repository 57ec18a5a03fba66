import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { block, program } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

const PAGE = 'docs/from-connect-redis.md'

describe('the app of docs/from-connect-redis.md', () => {
  const sandbox = new Sandbox()
  const changed = program(PAGE)
  const lines = block(PAGE, 'diff').trim().split('\n')
  const without = lines.filter((line) => line.startsWith('-')).map((line) => line.slice(1))
  const added = lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1))
  let redis: RedisServer
  const running: Running[] = []

  before(async () => {
    redis = await startRedis()
  })
  after(async () => {
    for (const app of running) await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  /** The program before the change. */
  const unchanged = () =>
    added.reduce((text, line, i) => {
      assert.equal(text.split(`${line}\n`).length, 2, line)
      return text.replace(line, without[i] ?? '')
    }, changed)

  /** The rest of the page is what an application would ask by hand. */
  async function start(name: string, text: string): Promise<string> {
    const port = await freePort()
    const asked = "app.get('/progress', async (_req, res) => { res.json(await progress()) })"
    const app = sandbox.start(sandbox.write(name, `${text}\n${asked}`), { REDIS_URL: redis.url, PORT: String(port) })
    running.push(app)
    await app.listens(port)
    return `http://127.0.0.1:${port}`
  }

  const get = async (url: string, cookie: string) => (await fetch(url, { headers: { cookie } })).text()
  const progress = async (url: string) => JSON.parse(await get(`${url}/progress`, ''))

  test('is changed in two lines', () => {
    assert.deepEqual([without.length, added.length, lines.length], [2, 2, 4])
    assert.notEqual(unchanged(), changed)
  })

  test('keeps its users logged in, one at a time, and tells how far it is', async () => {
    const old = await start('before.ts', unchanged())
    const cookies: string[] = []
    for (const name of ['Ada', 'Grace', 'Barbara']) {
      const response = await fetch(`${old}/login/${name}`, { method: 'POST' })
      cookies.push(response.headers.getSetCookie().join().split(';')[0] ?? '')
      // At the end of the answer it is saved.
      await response.text()
    }
    const [ada = '', grace = ''] = cookies
    assert.equal(await get(old, ada), 'Ada')
    assert.equal(await get(old, ''), 'Nobody.')

    const url = await start('after.ts', changed)
    assert.deepEqual(await progress(url), { waiting: 3, copies: 0, kept: 0 })
    assert.equal(await get(url, ada), 'Ada')
    assert.deepEqual(await progress(url), { waiting: 2, copies: 1, kept: 1 })
    assert.equal(await get(url, grace), 'Grace')
    assert.equal(await get(url, ''), 'Nobody.')
    assert.equal(await get(url, ada), 'Ada')
    assert.deepEqual(await progress(url), { waiting: 1, copies: 2, kept: 2 })
    // Back again.
    assert.equal(await get(old, ada), 'Ada')
  })
})
