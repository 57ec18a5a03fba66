import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { createSessions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { keysOf } from '../redis/support.ts'
import { assertEveryKeyExpires, type RedisClient, startRedis } from '../support/redis-server.ts'
import { startApp } from './child.ts'
import { passes, timeOf } from './redis-time.ts'

interface Data {
  name: string
  list: number[]
  views: number
}

const FULL = { name: 'StoreError', code: 'ERR_STORE_FULL', status: 503, outcome: 'none' }

describe('a Redis that is out of memory, with noeviction', { timeout: 60_000 }, () => {
  it('refuses what needs memory, with nothing half done, and goes on with reads, touches and logouts', async (t) => {
    const { client, fill, free } = await start(t)
    const sessions = createSessions<Data>({ store: redisStore(client), touchInterval: 0, maxPerUser: 2 })
    const { token, id } = await sessions.create({ name: 'Ada', list: [1], views: 1 })
    const mine = await sessions.create({ name: 'Grace' }, { userId: 'grace' })
    await sessions.create({ name: 'Grace' }, { userId: 'grace' })
    const doomed = await sessions.create({ name: 'Alan' }, { userId: 'alan' })
    await fill()
    const before = await contentOf(client)

    const refused: Record<string, () => Promise<unknown>> = {
      create: () => sessions.create({ name: 'new' }),
      'create beyond the limit of a user, whose oldest session would end': () =>
        sessions.create({ name: 'new' }, { userId: 'grace' }),
      set: () => sessions.set(token, { name: 'new' }),
      'set to nothing': () => sessions.set(token, {}),
      update: () => sessions.update(token, 'list', (list = []) => [...list, 2]),
      'update that removes': () => sessions.update(token, 'list', () => undefined),
      increment: () => sessions.increment(token, 'views'),
      setIdleTimeout: () => sessions.setIdleTimeout(token, '1h'),
    }
    for (const [what, run] of Object.entries(refused)) {
      const error = await run().catch((error: unknown) => error)
      assert.ok(error instanceof StoreError, `${what}: ${error}`)
      const { name, code, status, outcome } = error
      assert.deepEqual({ name, code, status, outcome }, FULL, what)
      assert.deepEqual(await contentOf(client), before, what)
    }

    assert.deepEqual((await sessions.peek(token))?.data, { name: 'Ada', list: [1], views: 1 })
    assert.equal(await sessions.count(), 4)
    assert.equal((await sessions.recent()).length, 4)
    for (const step of ['touch', 'load', 'touch without scripts'] as const) {
      const { lastAccessedAt, expiresAt } = (await sessions.find(id)) ?? assert.fail()
      await passes(client, lastAccessedAt)
      if (step === 'touch without scripts') await client.scriptFlush()
      if (step === 'load') await sessions.load(token)
      else assert.equal(await sessions.touch(token), true)
      const now = (await sessions.find(id)) ?? assert.fail()
      assert.ok(now.lastAccessedAt > lastAccessedAt && now.expiresAt > expiresAt, step)
      assert.equal(await client.pExpireTime(keysOf('session:', id).session), now.expiresAt)
    }
    const rotated = await sessions.rotate(token)
    assert.deepEqual((await sessions.peek(rotated.token ?? ''))?.data, { name: 'Ada', list: [1], views: 1 })
    assert.equal(await sessions.destroy(doomed.token), true)
    assert.equal(await sessions.load(doomed.token), null)
    assert.equal(await sessions.revoke(mine.id), true)
    assert.equal(await sessions.find(mine.id), null)
    assert.equal(await sessions.count(), 2)
    await assertFull(client)

    await free()
    for (const [what, run] of Object.entries(refused)) await run().catch((error) => assert.fail(`${what}: ${error}`))
    assert.equal(await sessions.count(), 4)
    await assertEveryKeyExpires(client)
    await assertConsistent(client, 'session:')
  })

  it('keeps a session alive that is only read, beyond its idle timeout', async (t) => {
    const { client, fill } = await start(t)
    const sessions = createSessions<Data>({ store: redisStore(client), touchInterval: 0 })
    const { token } = await sessions.create({ name: 'Ada' }, { idleTimeout: 800 })
    const idle = await sessions.create({ name: 'idle' }, { idleTimeout: 800 })
    await fill()
    const { createdAt } = (await sessions.load(token)) ?? assert.fail()
    // Loaded again and again, for three times as long as it would live by itself.
    while ((await timeOf(client)) < createdAt + 2400) assert.ok(await sessions.load(token), 'the session has expired')
    assert.equal(await sessions.load(idle.token), null)
    await assertFull(client)
  })

  it('answers requests that write with 503, and serves all others', async (t) => {
    const { client, url, fill, free } = await start(t)
    const app = await startApp(t, { redisUrl: url, sessions: { touchInterval: 0 } })
    const asked: Record<string, number> = {}
    const ask = (method: string, path: string, cookie = '', body: object = {}) => {
      asked[cookie] = (asked[cookie] ?? 0) + 1
      return fetch(`${app.url}${path}`, {
        method,
        headers: { cookie, 'content-type': 'application/json' },
        ...(method === 'POST' && { body: JSON.stringify(body) }),
      })
    }
    const begin = async () => {
      const reply = await ask('POST', '/set', '', { field: 'name', value: 'Ada' })
      assert.equal(reply.status, 200)
      return /^[^;]+/.exec(reply.headers.get('set-cookie') ?? '')?.[0] ?? assert.fail('no cookie')
    }
    const [cookie, another] = [await begin(), await begin()]
    await fill()

    const before = await contentOf(client)
    for (const [path, body] of [
      ['/set', { field: 'name', value: 'new' }],
      ['/note', { value: 'committed as the response leaves' }],
      ['/assign', { a: 1, b: 2, name: 'new' }],
      ['/increment', { field: 'views', by: 1 }],
      ['/append', { field: 'list', value: 1 }],
      ['/timeout', { value: '1h' }],
    ] as const) {
      for (const who of [cookie, '']) {
        if (path === '/timeout' && who === '') continue
        const reply = await ask('POST', path, who, body)
        assert.equal(reply.status, 503, `${path} ${who === '' ? 'without' : 'with'} a session`)
        assert.equal(reply.headers.get('set-cookie'), null)
        await reply.text()
      }
    }
    assert.deepEqual(dataOf(await contentOf(client)), dataOf(before))

    const seen = async () => {
      const about = (await (await ask('GET', '/about/me', cookie)).json()) as { expiresAt: number }
      return about.expiresAt
    }
    const first = await seen()
    while (!((await seen()) > first));
    assert.deepEqual(await (await ask('GET', '/data', cookie)).json(), { name: 'Ada' })
    assert.equal((await ask('GET', '/data')).status, 200)
    const logout = await ask('POST', '/logout', another)
    assert.equal(logout.status, 200)
    assert.match(logout.headers.get('set-cookie') ?? '', /^__Host-sid=; Max-Age=0;/)
    assert.deepEqual(await (await ask('GET', '/data', another)).json(), {})
    await assertFull(client)

    await free()
    assert.equal((await ask('POST', '/note', cookie, { value: 'kept' })).status, 200)
    // With this write the store has been told of every request, those included whose own write it had refused. One began it.
    const kept = Object.values(await contentOf(client)).flatMap(([holds]) => ('note' in holds ? [holds] : []))
    assert.deepEqual(
      kept.map(({ request_count }) => Number(request_count)),
      [1 + (asked[cookie] ?? 0)],
    )
    assert.deepEqual(await (await ask('GET', '/data', cookie)).json(), { name: 'Ada', note: 'kept' })
    await begin()
    assert.doesNotMatch(app.stderr, /COATCHECK_TOUCH_FAILED|^\s+at /m)
  })
})

async function start(t: TestContext) {
  const redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
  t.after(() => redis.stop())
  const client = await redis.connect()
  return {
    client,
    url: redis.url,
    /** Others need more memory than there is. */
    async fill() {
      // Made on the server: what a client sends would also fill its buffers there.
      await client.setRange('filler', 8_000_000, 'x')
      await client.expire('filler', 3600)
      await client.configSet('maxmemory', '6mb')
      await assertFull(client)
    },
    async free() {
      await client.del('filler')
    },
  }
}

async function assertFull(client: RedisClient): Promise<void> {
  await assert.rejects(client.set('more', 'x'), /^Error: OOM|OOM command not allowed/)
}

/** Every key, what it holds and when it expires. */
async function contentOf(client: RedisClient): Promise<Record<string, [Record<string, unknown>, number]>> {
  const content: Record<string, [Record<string, unknown>, number]> = {}
  for (const key of (await client.keys('session:*')).sort()) {
    const holds =
      (await client.type(key)) === 'hash'
        ? await client.hGetAll(key)
        : { entries: await client.zRangeWithScores(key, 0, -1) }
    content[key] = [holds, await client.pExpireTime(key)]
  }
  return content
}

/** The hashes without what a touch changes. */
function dataOf(content: Awaited<ReturnType<typeof contentOf>>): unknown {
  return Object.entries(content).flatMap(([key, [holds]]) => {
    const { last_accessed_at: _, request_count: __, ...rest } = holds
    return 'created_at' in rest ? [[key, rest]] : []
  })
}
