import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { tags } from '../../src/core/tags.ts'
import { redisStore } from '../../src/redis.ts'
import { type Data, open } from '../core/sessions-contract.ts'
import { begin, call, loaded, newSession } from '../store-contract.ts'
import { measureStall } from '../support/lag.ts'
import { startRedis } from '../support/redis-server.ts'
import { assertConsistent } from './consistency.ts'
import { keysOf, newPrefix, useRedis, warningsOf } from './support.ts'

describe('a session that a login is taking over', () => {
  const redis = useRedis()

  async function seal(storeTimeout: number, forMs: number) {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }), { storeTimeout, touchInterval: 0 })
    const { token, id } = await sessions.create({ name: 'Ada' })
    const { session } = keysOf(prefix, id)
    const since = performance.now()
    const [seconds, micros] = (await redis.client.sendCommand(['TIME'])) as [string, string]
    const until = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) + forMs
    await redis.client.hSet(session, { _sealed_by: 'a login', _sealed_until: `${until}` })
    return { prefix, sessions, token, session, since }
  }

  it('makes writes wait, and takes them when the seal lapses', async () => {
    const { prefix, sessions, token, since } = await seal(5000, 150)
    await Promise.all([
      sessions.increment(token, 'views'),
      sessions.update(token, 'name', (name) => `${name}!`),
      sessions.touch(token),
    ])
    // Redis tells whole milliseconds.
    const took = performance.now() - since
    assert.ok(took >= 148 && took < 4000, `took ${took} ms`)
    assert.deepEqual((await sessions.peek(token))?.data, { name: 'Ada!', views: 1 })
    await assertConsistent(redis.client, prefix)
  })

  it('tells writes that it has ended when the seal outlasts their deadline, and keeps what it holds', async () => {
    // Attempts come 5, 15, 35, … 175 and 225 ms after the first: the deadline falls between two of them. On a machine too
    // busy for that, one may be under way at the deadline, of which nothing is known.
    const { sessions, token, session } = await seal(200, 60_000)
    const before = await redis.client.hGetAll(session)
    const busy = measureStall()
    const ended = ({ code }: { code?: string }) =>
      code === 'ERR_SESSION_ENDED' || (code === 'ERR_STORE_TIMEOUT' && busy() > 5)
    const started = performance.now()
    await Promise.all([
      assert.rejects(sessions.set(token, { name: 'late' }), ended),
      assert.rejects(sessions.increment(token, 'views'), ended),
      assert.rejects(
        sessions.update(token, 'name', () => 'late'),
        ended,
      ),
      assert.rejects(sessions.rotate(token), ended),
      sessions.touch(token).then((done) => assert.equal(done, false), ended),
    ])
    const took = performance.now() - started
    assert.ok(took >= 195 && took < 400 + busy(), `took ${took} ms`)
    assert.deepEqual(await redis.client.hGetAll(session), before)
  })

  it('can be read all the while', async () => {
    const { sessions, token } = await seal(300, 60_000)
    const started = performance.now()
    const busy = measureStall()
    assert.deepEqual((await sessions.peek(token))?.data, { name: 'Ada' })
    assert.ok(((await sessions.timeToLive(token)) ?? 0) > 0)
    // It did not wait.
    assert.ok(performance.now() - started < 290 + busy())
  })
})

describe('a Redis that is out of memory', () => {
  it('refuses writes with an error that says so, and goes on with reads, touches, rotations and ends', async (t) => {
    const server = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
    t.after(() => server.stop())
    const client = await server.connect()
    const sessions = open(redisStore(client), { idleTimeout: '1h', touchInterval: 0 })
    const { token } = await sessions.create({ name: 'Ada' }, { userId: 'ada' })
    const { token: other } = await sessions.create({ name: 'Grace' })
    const before = await server.dump()
    await client.configSet('maxmemory', '1')

    const full = { code: 'ERR_STORE_FULL', status: 503, outcome: 'none', message: /maxmemory/ }
    await assert.rejects(sessions.create({ name: 'x' }), full)
    await assert.rejects(sessions.create({ name: 'x' }, { userId: 'ada' }), full)
    await assert.rejects(sessions.set(token, { name: 'x' }), full)
    await assert.rejects(sessions.increment(token, 'views'), full)
    await assert.rejects(
      sessions.update(token, 'name', () => 'x'),
      full,
    )
    await assert.rejects(sessions.setIdleTimeout(token, '2h'), full)
    // The same of what is no access: a plain write, and a whole one that also removes and counts.
    const seldom = open(redisStore(client), { idleTimeout: '1h', touchInterval: '1m' })
    await seldom.peek(token)
    for (const change of [
      (data: Partial<Data>) => Object.assign(data, { name: 'x', list: [1], views: 1 }),
      (data: Partial<Data>) => {
        Object.assign(data, { list: [1], views: 1 })
        delete data.name
      },
    ]) {
      const request = {}
      await seldom.openRequest(request, `__Host-sid=${token}`)
      change(seldom.of(request).data)
      await assert.rejects(seldom.of(request).commit(), full)
    }
    // Not even a part of any of them.
    await client.configSet('maxmemory', '0')
    assert.deepEqual(await server.dump(), before)
    await client.configSet('maxmemory', '1')

    const { lastAccessedAt } = (await sessions.peek(token)) ?? assert.fail()
    const left = (await sessions.timeToLive(token)) ?? assert.fail()
    while (((await sessions.timeToLive(token)) ?? 0) >= left - 300) await pause(20)
    assert.equal(await sessions.touch(token), true)
    assert.ok(((await sessions.timeToLive(token)) ?? 0) > left - 150)
    assert.ok(((await sessions.peek(token))?.lastAccessedAt ?? 0) > lastAccessedAt)
    const rotated = await sessions.rotate(token)
    assert.equal((await sessions.load(rotated.token ?? ''))?.userId, 'ada')
    assert.equal(await sessions.destroy(other), true)
    assert.equal(await sessions.count(), 1)
    await assertConsistent(client, 'session:')

    await client.configSet('maxmemory', '0')
    await sessions.create({ name: 'x' })
  })
})

describe('an index that somebody has put something else in place of', () => {
  const redis = useRedis()

  it('makes a write fail, never seem to have been done', async () => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }), { touchInterval: 0 })
    const { token } = await sessions.create({ name: 'Ada' })
    for (const tag of tags)
      await redis.client.set(`${prefix}{${tag}}:seen`, 'x', { expiration: { type: 'EX', value: 60 } })
    const failed = { code: 'ERR_STORE_REPLY', status: 503, outcome: 'unknown' }
    // The first may still have to send the script whole.
    for (let i = 0; i < 2; i++) {
      await assert.rejects(sessions.create(), failed)
      await assert.rejects(sessions.create({}, { userId: 'ada' }), failed)
      await assert.rejects(sessions.set(token, { name: 'x' }), failed)
      await assert.rejects(sessions.touch(token), failed)
      await assert.rejects(sessions.recent(), failed)
    }
    await redis.client.del(await redis.client.keys(`${prefix}*`))
  })
})

describe('a Redis that may evict keys', () => {
  it('is warned of once, when the client is connected; one that may not is not', async (t) => {
    const policies = ['noeviction', 'volatile-ttl', 'allkeys-lru']
    const codes: (string | undefined)[][] = []
    for (const policy of policies) {
      const server = await startRedis({ args: ['--maxmemory-policy', policy] })
      t.after(() => server.stop())
      const client = await server.connect()
      const warnings = await warningsOf(async () => {
        const sessions = open(redisStore(client))
        await sessions.create()
        await client.ping()
      })
      codes.push(warnings.map(({ code }) => code))
      if (warnings[0]) assert.match(warnings[0].message, /volatile-ttl.*noeviction/)
    }
    assert.deepEqual(codes, [[], ['COATCHECK_EVICTION'], []])
  })
})

describe('an operation that takes more than one command', () => {
  const redis = useRedis()

  it('is given up at the deadline, with certainty that nothing was done', async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const first = await begin(store, { userId: 'ada' })
    // The user is at the limit: the first answer only says whose sessions may have to end.
    const late = { ...call(), expired: true }
    const session = newSession({ userId: 'ada', maxPerUser: { limit: 1, whenFull: 'evict-oldest' } })
    await assert.rejects(store.create(session, late))
    assert.equal(late.outcome, 'none')
    assert.equal((await loaded(store, first.id))?.userId, 'ada')
    assert.equal(await loaded(store, session.id), null)
    await assertConsistent(redis.client, prefix)
  })

  it('finds no session that ends between two of them', async () => {
    const prefix = newPrefix()
    let gone: string | undefined
    const store = redisStore(redis.client, {
      prefix,
      onCommand: ([word]) => {
        // Sent on the same connection just before it.
        if (word === 'PTTL' && gone !== undefined) void redis.client.del(gone)
      },
    })
    const { id } = await begin(store)
    assert.ok(((await store.timeToLive(id, call())) ?? 0) > 0)
    gone = keysOf(prefix, id).session
    assert.equal(await store.timeToLive(id, call()), null)
  })
})

describe('close', () => {
  const redis = useRedis()

  it('waits for touches on their way, and leaves the client open', async () => {
    const client = await redis.server.connect()
    const store = redisStore(client, { prefix: newPrefix() })
    const sessions = open(store, { touchInterval: 0 })
    const { token } = await sessions.create()
    const before = (await sessions.peek(token))?.lastAccessedAt ?? assert.fail()
    while ((store.now() ?? 0) < before + 5) await client.ping()
    const loading = sessions.load(token)
    await client.ping()
    await sessions.close()
    await loading
    assert.equal(await client.ping(), 'PONG')
    const again = open(store)
    assert.ok(((await again.peek(token))?.lastAccessedAt ?? 0) > before)
    const listeners = client.listenerCount('ready')
    await redisStore(client).close()
    assert.equal(client.listenerCount('ready'), listeners)
  })

  it('lets the process end, once its client is closed too', async () => {
    const src = new URL('../../src/', import.meta.url).href
    const program = `
      import { createClient } from 'redis'
      import { createSessions } from '${src}index.ts'
      import { redisStore } from '${src}redis.ts'
      const client = await createClient({ url: '${redis.server.url}' }).connect()
      const sessions = createSessions({ store: redisStore(client, { prefix: '${newPrefix()}' }), touchInterval: 0 })
      const { token } = await sessions.create({ name: 'Ada' })
      for (let i = 0; i < 3; i++) await sessions.load(token)
      await sessions.update(token, 'name', () => 'Grace')
      await sessions.recent()
      await sessions.close()
      await client.close()
      // But its own output.
      const active = () => process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap')
      // The socket of the client takes its time to close.
      while (active().includes('TCPSocketWrap')) await new Promise(setImmediate)
      console.log(JSON.stringify(active()))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: new URL('../..', import.meta.url),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const [code] = await once(child, 'close')
    assert.equal(code, 0)
    // It has ended because nothing kept it alive, not because some timer ran out.
    assert.deepEqual(JSON.parse(output), [])
  })
})
