import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { measureLag, measureStall } from '../support/lag.ts'
import { startRedis } from '../support/redis-server.ts'
import { startDemo, until } from './demo-process.ts'
import { live, Visitor } from './visitor.ts'

describe('a Redis that goes away', { timeout: 60_000 }, () => {
  it('makes every route answer 503 at once, and service resumes by itself when it is back', async (t) => {
    const redis = await startRedis()
    const demo = await startDemo(['--redis-url', redis.url, '--port', '0'])
    t.after(demo.stop)
    const visitor = new Visitor(demo.urls[0] as string)
    live(await visitor.post('/login'))
    await redis.stop()

    for (const [method, path] of [
      ['GET', '/session'],
      ['POST', '/increment'],
      ['POST', '/logout'],
      ['POST', '/login'],
    ] as const) {
      // The page needs no Redis.
      const lag = measureLag(() => visitor.get('/'))
      const begin = performance.now()
      const reply = await visitor.send(method, path, undefined)
      const took = performance.now() - begin
      assert.equal(reply.status, 503, `${path}: ${reply.raw}`)
      assert.equal(typeof reply.body.error, 'string')
      assert.equal(reply.headers.get('retry-after'), '1')
      assert.ok(took < 1200 + (await lag()), `${path} took ${took} ms`)
    }
    // A visitor without a session needs no Redis.
    assert.equal((await new Visitor(visitor.base).get('/session')).status, 401)
    assert.equal((await visitor.get('/')).status, 200)

    const again = await startRedis({ port: redis.port })
    t.after(again.stop)
    const [back, busy] = [performance.now(), measureStall()]
    await until(async () => (await new Visitor(visitor.base).post('/login')).status === 200)
    assert.ok(performance.now() - back < 2000 + busy(), `took ${performance.now() - back} ms`)

    const { code, stdout, stderr } = await demo.stop()
    assert.equal(code, 0)
    assert.equal(stderr, '')
    assert.equal(
      stdout.match(/^Redis is away \(.+\)\. Requests are answered with 503 until it is back\.$/gm)?.length,
      1,
    )
    assert.equal(stdout.match(/^Redis is back\.$/gm)?.length, 1)
  })

  it('makes every route answer 503 within its deadline when it only hangs', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demo = await startDemo(['--redis-url', redis.url, '--port', '0'])
    t.after(demo.stop)
    const visitor = new Visitor(demo.urls[0] as string)
    live(await visitor.post('/login'))
    process.kill(redis.pid, 'SIGSTOP')
    const lag = measureLag(() => visitor.get('/'))
    const begin = performance.now()
    assert.equal((await visitor.post('/increment')).status, 503)
    const took = performance.now() - begin
    assert.ok(took >= 900 && took < 1200 + (await lag()), `took ${took} ms`)
    // Afterwards nobody waits any more.
    await until(async () => {
      const [again, lag] = [performance.now(), measureLag(() => visitor.get('/'))]
      assert.equal((await visitor.get('/session')).status, 503)
      return performance.now() - again < 300 + (await lag())
    })
    process.kill(redis.pid, 'SIGCONT')
    await until(async () => (await visitor.get('/session')).status === 200)
  })
})
