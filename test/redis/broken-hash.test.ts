import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRecord } from '../../src/core/record.ts'
import type { Sessions } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { assertNoSession, type Data, open } from '../core/sessions-contract.ts'
import { passes } from '../fire/redis-time.ts'
import { call } from '../store-contract.ts'
import { assertConsistent } from './consistency.ts'
import { keysOf, newPrefix, useRedis, warningsOf } from './support.ts'

describe('a hash that is no session', () => {
  const redis = useRedis()

  async function start(userId?: string) {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }), { touchInterval: 0 })
    const created = await sessions.create({ name: 'Ada' }, userId === undefined ? {} : { userId })
    return { ...created, prefix, sessions, key: keysOf(prefix, created.id).session }
  }

  const BREAKS: Record<string, (key: string) => Promise<unknown>> = {
    'without created_at': (key) => redis.client.hDel(key, 'created_at'),
    'without last_accessed_at': (key) => redis.client.hDel(key, 'last_accessed_at'),
    'without session_ttl': (key) => redis.client.hDel(key, 'session_ttl'),
    'without deadline': (key) => redis.client.hDel(key, 'deadline'),
    'with text for created_at': (key) => redis.client.hSet(key, 'created_at', 'yesterday'),
    'with a sign in last_accessed_at': (key) => redis.client.hSet(key, 'last_accessed_at', '-5'),
    'with nothing in session_ttl': (key) => redis.client.hSet(key, 'session_ttl', ''),
    'with a session_ttl of 0': (key) => redis.client.hSet(key, 'session_ttl', '0'),
    'with an infinite session_ttl': (key) => redis.client.hSet(key, 'session_ttl', 'inf'),
    'with a hexadecimal deadline': (key) => redis.client.hSet(key, 'deadline', '0xffffffffffff'),
    'with a deadline of nan': (key) => redis.client.hSet(key, 'deadline', 'nan'),
    'of a later format': (key) => redis.client.hSet(key, '_v', '2'),
  }

  for (const [how, damage] of Object.entries(BREAKS)) {
    it(`${how} reads as none, is said once, is never written or deleted, and is given a TTL`, async () => {
      const { token, id, key, prefix, sessions } = await start()
      const { token: other } = await sessions.create()
      await damage(key)
      await redis.client.persist(key)
      const before = await redis.client.hGetAll(key)

      const warnings = await warningsOf(async () => {
        assert.equal(await sessions.load(token), null)
        assert.ok((await redis.client.pTTL(key)) > 24 * 3_600_000)
        assert.equal(await sessions.find(id), null)
        await assertNoSession(sessions, token)
        assert.equal(await sessions.revoke(id), false)
      })
      assert.deepEqual(
        warnings.map(({ code, name }) => [code, name]),
        [['COATCHECK_BROKEN_SESSION', 'CoatcheckWarning']],
      )
      assert.ok(warnings[0]?.message.includes(key) && !warnings[0].message.includes(token))

      assert.deepEqual(await redis.client.hGetAll(key), before)
      // The others are well.
      assert.ok(await sessions.load(other))
      const found = (await sessions.find(keysId(await sessions.peek(other)))) ?? assert.fail()
      assert.deepEqual(await sessions.recent(), [{ ...found, data: {} }])
      await redis.client.del([key, ...Object.values(keysOf(prefix, id)).flat()])
    })
  }

  for (const [how, damage] of Object.entries({
    'without created_at': BREAKS['without created_at'] as (key: string) => Promise<unknown>,
    'of a later format': BREAKS['of a later format'] as (key: string) => Promise<unknown>,
    'of a token that was rotated away': (key: string) => redis.client.hSet(key, { _successor: 'x', _grace_until: '0' }),
    'nor a hash at all': async (key: string) => {
      await redis.client.del(key)
      await redis.client.set(key, 'a string', { expiration: { type: 'EX', value: 60 } })
    },
  })) {
    it(`${how} is written nothing by a request that has read it when it was one`, async () => {
      const { id, key, prefix } = await start()
      const store = redisStore(redis.client, { prefix })
      await damage(key)
      const before = await redis.client.dump(key)
      assert.equal(await store.write(id, new Map([['name', 'late']]), call()), false)
      assert.deepEqual(await redis.client.dump(key), before)
      await redis.client.del([key, ...Object.values(keysOf(prefix, id)).flat()])
    })
  }

  it('that leads to what is no id reads as none', async () => {
    const { token, key, sessions } = await start()
    await redis.client.hSet(key, { _successor: '../x', _grace_until: '99999999999999' })
    const warnings = await warningsOf(async () => assert.equal(await sessions.load(token), null))
    assert.equal(warnings[0]?.code, 'COATCHECK_BROKEN_SESSION')
    await redis.client.del(key)
  })

  it('with a TTL of its own keeps it', async () => {
    const { token, key, sessions } = await start()
    await redis.client.hDel(key, 'created_at')
    await redis.client.pExpire(key, 5000)
    assert.equal(await sessions.load(token), null)
    assert.ok((await redis.client.pTTL(key)) <= 5000)
  })

  it('nor a hash at all reads as none, is said once, and is left as it is', async () => {
    const { token, id, key, prefix, sessions } = await start()
    await redis.client.del(key)
    await redis.client.set(key, 'a string')
    const warnings = await warningsOf(async () => {
      assert.equal(await sessions.peek(token), null)
      await assertNoSession(sessions, token)
      assert.deepEqual(await sessions.recent(), [])
      // Also where the server has to be sent the scripts again.
      await redis.client.scriptFlush()
      assert.equal(await sessions.destroy(token), false)
    })
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['COATCHECK_BROKEN_SESSION'],
    )
    assert.equal(await redis.client.get(key), 'a string')
    assert.ok((await redis.client.pTTL(key)) > 0)
    await redis.client.del([key, ...Object.values(keysOf(prefix, id)).flat()])
  })

  it('nor a hash at all keeps nobody else from being logged out with everyone', async () => {
    const { token, key, prefix, sessions } = await start('ada')
    const other = await sessions.create({}, { userId: 'ada' })
    await redis.client.del(key)
    await redis.client.set(key, 'a string', { expiration: { type: 'EX', value: 60 } })
    assert.equal(await sessions.revokeEveryone(), 1)
    assert.equal(await sessions.peek(other.token), null)
    assert.equal(await redis.client.get(key), 'a string')
    assert.equal(await sessions.load(token), null)
    await redis.client.del([key, ...(await redis.client.keys(`${prefix}*`))])
  })

  it('where a rotation leads reads as none', async () => {
    const { token, sessions, prefix } = await start()
    const rotated = await sessions.rotate(token)
    const { session } = keysOf(prefix, rotated.id)
    await redis.client.del(session)
    await redis.client.set(session, 'a string', { expiration: { type: 'EX', value: 60 } })
    assert.equal(await sessions.load(token), null)
    assert.equal(await redis.client.get(session), 'a string')
    await redis.client.del(session)
    assert.equal(await sessions.load(token), null)
  })

  it("does not count towards its user's limit, and a newcomer only drops its entry", async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const sessions = open(store, { maxPerUser: { limit: 3, whenFull: 'refuse' } })
    const created = []
    for (let i = 0; i < 3; i++) created.push(await sessions.create({}, { userId: 'ada' }))
    const [first, second, third] = created.map(({ id }) => keysOf(prefix, id, 'ada'))
    assert.ok(first && second && third)
    await redis.client.hDel(first.session, 'created_at')
    await redis.client.del(second.session)
    await redis.client.set(second.session, 'a string', { expiration: { type: 'EX', value: 60 } })
    for (let i = 0; i < 2; i++) await sessions.create({}, { userId: 'ada' })
    await assert.rejects(sessions.create({}, { userId: 'ada' }), { code: 'ERR_USER_LIMIT', status: 403 })
    assert.equal(await redis.client.exists([first.session, second.session, third.session]), 3)
    await redis.client.del([first.session, second.session])
    await assertConsistent(redis.client, prefix)
  })
})

describe('a session whose TTL somebody took away', () => {
  const redis = useRedis()

  const WAYS: Record<string, (sessions: Sessions<Data>, token: string) => Promise<unknown>> = {
    touch: (sessions, token) => sessions.touch(token),
    'touch on load': (sessions, token) => sessions.load(token),
    commit: (sessions, token) => sessions.set(token, { name: 'Ada' }),
    update: (sessions, token) => sessions.update(token, 'name', () => 'Ada'),
    'look at the time left': (sessions, token) => sessions.timeToLive(token),
    rotation: (sessions, token) => sessions.rotate(token),
  }
  for (const [way, act] of Object.entries(WAYS)) {
    it(`gets one again by a ${way}`, async () => {
      const prefix = newPrefix()
      const sessions = open(redisStore(redis.client, { prefix }), { touchInterval: 0 })
      const { token, id } = await sessions.create({ name: 'Ada' })
      const { session, guests, seen } = keysOf(prefix, id)
      for (const key of [session, guests, seen]) assert.equal(await redis.client.persist(key), 1)
      await act(sessions, token)
      const ttl = (await sessions.timeToLive(token)) ?? assert.fail()
      assert.ok(ttl > 1_790_000 && ttl <= 1_800_000)
      // A look at the time left is a read: it mends the session only.
      if (way === 'look at the time left') await sessions.touch(token)
      await assertConsistent(redis.client, prefix)
    })
  }

  it('ends at its deadline all the same', async () => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }))
    const { token, id } = await sessions.create({ name: 'Ada' }, { lifetime: 500 })
    const { session } = keysOf(prefix, id)
    const { deadline } = (await sessions.peek(token)) ?? assert.fail()
    await redis.client.persist(session)
    await passes(redis.client, deadline)
    assert.equal(await redis.client.exists(session), 1)
    await assert.rejects(sessions.set(token, { name: 'late' }), { code: 'ERR_SESSION_ENDED' })
    assert.equal(await redis.client.exists(session), 0)
    assert.equal(await sessions.count(), 0)
  })

  it('has no time left once its idle timeout has passed', async () => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }))
    const { token, id } = await sessions.create({ name: 'Ada' })
    const { session } = keysOf(prefix, id)
    // As if nobody had come for half an hour.
    const { lastAccessedAt } = (await sessions.peek(token)) ?? assert.fail()
    await redis.client.hSet(session, 'last_accessed_at', `${lastAccessedAt - 1_800_000}`)
    await redis.client.persist(session)
    assert.equal(await sessions.timeToLive(token), null)
    assert.equal(await sessions.peek(token), null)
  })
})

describe('the numbers of a hash', () => {
  const redis = useRedis()
  const NUMBERS = [
    '0',
    '1',
    '007',
    '5.',
    '.5',
    '1.5',
    '0.001',
    '0.0001',
    '0.0004999',
    '1e3',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '',
  ]
  const MORE = [
    '9'.repeat(16),
    '9'.repeat(17),
    '9'.repeat(10),
    '9'.repeat(11),
    '0x10',
    'nan',
    'inf',
    '-1',
    '１',
    '1.2.3',
  ]

  it('are read by the scripts as they are read by load', async () => {
    const probe = `${scripts.touch.source.split('local key, id, every')[0]}
      local session = alive(KEYS[1])
      return session and { tostring(session.idle), string.format('%.0f', session.deadline) } or {}`
    const prefix = newPrefix()
    const call = ['4', `${prefix}h`, `${prefix}a`, `${prefix}b`, `${prefix}c`, '', '1', 'id']
    const good = { created_at: '1', last_accessed_at: '1', session_ttl: '1', deadline: '9'.repeat(15) }
    let readable = 0
    for (const field of Object.keys(good)) {
      for (const text of [...NUMBERS, ...MORE, `${'0'.repeat(19)}1`, `${'0'.repeat(20)}1`]) {
        const fields = { ...good, [field]: text }
        await redis.client.hSet(`${prefix}h`, fields)
        const record = parseRecord('id', new Map(Object.entries(fields)))
        // A deadline in the past is a number all the same, of a session that has ended.
        const past = record !== null && record.deadline <= Date.now()
        const idle = (await redis.client.sendCommand(['EVAL', probe, ...call])) as string[]
        await redis.client.del(`${prefix}h`)
        const expected = record === null || past ? [] : [Number(record.idleTimeout), record.deadline]
        assert.deepEqual(idle.map(Number), expected, `${field} = ${JSON.stringify(text)}`)
        if (record !== null) readable++
      }
    }
    assert.ok(readable > 10)
  })
})

function keysId(session: { id: string } | null): string {
  return session?.id ?? assert.fail()
}
