import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { measureStall } from '../../support/lag.ts'
import { startRedis } from '../../support/redis-server.ts'
import { type DemoProcess, startDemo, startSearchingDemo, until } from '../demo-process.ts'
import { Visitor } from '../visitor.ts'
import { EventStream } from './event-stream.ts'
import { answers, assertLoggedOut, listed, ok, PASSWORDS, profileOf } from './people.ts'

describe('the account pages of several processes', { timeout: 120_000 }, () => {
  it('share who is logged in, and tell each other what becomes of a session', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demos = await Promise.all([0, 1].map(() => startDemo(['--redis-url', redis.url, '--port', '0'])))
    for (const demo of demos) t.after(demo.stop)
    const [one, two] = (await Promise.all(demos.map((demo) => logIn(demo)))) as [Visitor, Visitor]
    const stream = await EventStream.open(two)
    assert.equal((await listed(one)).length, 2)
    const { sessionId } = await profileOf(two)
    const busy = measureStall()
    const begin = performance.now()
    answers(await one.send('DELETE', `/account/sessions/id/${sessionId}`, undefined), 200, { revoked: 1 })
    await stream.ends('revoke')
    const took = performance.now() - begin
    assert.ok(took < 1000 + busy(), `took ${took} ms`)
    await assertLoggedOut(two)
  })

  it('answer 503 while Redis is away, and go on by themselves', async (t) => {
    const redis = await startRedis()
    const demo = await startDemo(['--redis-url', redis.url, '--port', '0'])
    t.after(demo.stop)
    const visitor = await logIn(demo)
    await redis.stop()
    for (const [method, path] of [
      ['GET', '/account/profile'],
      ['GET', '/account/events'],
      ['DELETE', '/account/sessions/id/x'],
      ['POST', '/account/logout/everywhere'],
      ['GET', '/admin/sessions/stats'],
    ] as const) {
      assert.equal((await visitor.send(method, path, undefined)).status, 503, path)
    }
    // The page itself needs no Redis, and who is not logged in is told so without.
    assert.equal((await visitor.get('/account')).status, 200)
    await assertLoggedOut(new Visitor(visitor.base))
    const again = await startRedis({ port: redis.port })
    t.after(again.stop)
    await until(async () => (await login(new Visitor(visitor.base))).status === 200)
  })

  it('end at once with streams open', async () => {
    const demo = await startSearchingDemo(['--port', '0'], { env: { PATH: '/nowhere' } })
    const stream = await EventStream.open(await logIn(demo))
    await endsAtOnce(demo)
    stream.close()
  })

  it('end at once while Redis does not answer, with a stream that waits for it', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demo = await startDemo(['--redis-url', redis.url, '--port', '0', '--instances', '2'])
    const [visitor, other] = [await logIn(demo), await logIn(demo, 1)]
    const stream = await EventStream.open(visitor)
    process.kill(redis.pid, 'SIGSTOP')
    const waiting = other.get('/account/events').catch(() => null)
    await until(async () => (await other.get('/account/profile')).status === 503)
    await endsAtOnce(demo)
    stream.close()
    await waiting
  })

  it('with --secure the cookie is a __Host- cookie', async (t) => {
    const demo = await startSearchingDemo(['--port', '0', '--secure'], { env: { PATH: '/nowhere' } })
    t.after(demo.stop)
    const visitor = new Visitor(demo.urls[0] as string)
    const [cookie] = (await login(visitor)).headers.getSetCookie()
    assert.match(cookie ?? '', /^__Host-account=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    await profileOf(visitor)
  })
})

function login(visitor: Visitor) {
  return visitor.json('/account/login', { username: 'alice', password: PASSWORDS.alice })
}

async function logIn(demo: DemoProcess, instance = 0): Promise<Visitor> {
  const visitor = new Visitor(demo.urls[instance] as string)
  ok(await login(visitor))
  return visitor
}

async function endsAtOnce(demo: DemoProcess): Promise<void> {
  const [begin, busy] = [performance.now(), measureStall()]
  const { code, stderr } = await demo.stop()
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  const took = performance.now() - begin
  assert.ok(took < 1000 + busy(), `took ${took} ms`)
}
