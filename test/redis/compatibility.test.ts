import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { idOfToken, newToken, tagOf } from '../../src/core/token.ts'
import { redisStore } from '../../src/redis.ts'
import { type Data, open } from '../core/sessions-contract.ts'
import { keysOf, newPrefix, useRedis } from './support.ts'

// What docs/compatibility.md promises: sessions outlive the version that has written them. What stands here was written by
// version 0.1.0, and is never to be changed within a major version.

const GUEST = { token: 'n1xI7-1Y04OoOf-v4wMoxzoxMM5kdB8I8tMt7eWfk1w', id: 'U6HfcBFZY4tSEivnkJl1G12g' }
/** Of the user u42. */
const MEMBER = { token: '1M7PBUjifbgrUX4QmmL96o6NAQIjVRUNjjTRaBPx_ZI', id: 'T8UreyqSXKMnKha32JyWApGg' }

const HASH = {
  created_at: '1700000000000',
  last_accessed_at: '1700000000000',
  session_ttl: '1800',
  deadline: '4102444800000',
  username: 'andrew',
  views: '3',
  list: '["umbrella",{"deep":null}]',
  yes: 'true',
  'the text 3': '"3"',
  'no JSON': '{half',
}
const DATA = {
  username: 'andrew',
  views: 3,
  list: ['umbrella', { deep: null }],
  yes: true,
  'the text 3': '3',
  'no JSON': '{half',
}

describe('what version 0.1.0 has written', () => {
  const redis = useRedis()

  async function store(id: string, more: Record<string, string> = {}) {
    const prefix = newPrefix()
    const key = keysOf(prefix, id).session
    await redis.client.hSet(key, { ...HASH, ...more })
    await redis.client.pExpire(key, 60_000)
    return { key, prefix, sessions: open(redisStore(redis.client, { prefix })) }
  }

  it('is read by its token, with its values', async () => {
    for (const [{ token, id }, userId] of [
      [GUEST, null],
      [MEMBER, 'u42'],
    ] as const) {
      const { sessions } = await store(id, userId === null ? {} : { user_id: userId })
      const { data, ...session } = (await sessions.peek(token)) ?? assert.fail('no session')
      assert.deepEqual(data, DATA)
      assert.deepEqual(session, {
        id,
        userId,
        createdAt: 1_700_000_000_000,
        lastAccessedAt: 1_700_000_000_000,
        idleTimeout: 1_800_000,
        deadline: 4_102_444_800_000,
        expiresAt: 1_700_001_800_000,
        roles: [],
        authenticatedAt: null,
        device: null,
        deviceId: null,
        ip: null,
        requestCount: 0,
      })
      assert.equal((await sessions.find(id))?.id, id)
      assert.equal(await sessions.increment(token, 'views'), 4)
      assert.equal(await sessions.revoke(id), true)
      assert.equal(await sessions.peek(token), null)
    }
  })

  it('leads to its successor for as long as its tombstone says', async () => {
    const { key, prefix, sessions } = await store(MEMBER.id)
    const old = keysOf(prefix, GUEST.id).session
    for (const [graceUntil, found] of [
      ['4102444800000', MEMBER.id],
      ['1700000000000', undefined],
    ] as const) {
      await redis.client.hSet(old, { _successor: MEMBER.id, _grace_until: graceUntil })
      await redis.client.pExpire(old, 60_000)
      assert.equal((await sessions.load(GUEST.token))?.id, found)
    }
    assert.equal(await redis.client.exists(key), 1)
  })

  it('has its users where a login finds them', () => {
    assert.equal(tagOf(idOfToken(newToken('u42'))), tagOf(MEMBER.id))
  })
})

describe('fields that a later version has added under reserved names', () => {
  const redis = useRedis()
  const LATER = { _later: 'x', roles: '["admin"]', device: 'Chrome on macOS', authenticated_at: '1700000000000' }

  it('are no data, and every operation leaves them alone', async () => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }), { touchInterval: 0, rotationGrace: 0 })
    const { token, id } = await sessions.create({ name: 'Ada', views: 1 })
    const session = (of: string) => keysOf(prefix, of).session
    await redis.client.hSet(session(id), LATER)
    const request = {}
    await sessions.openRequest(request, `__Host-sid=${token}`)
    const acts: Record<string, () => Promise<unknown>> = {
      touch: () => sessions.touch(token),
      load: () => sessions.load(token),
      increment: () => sessions.increment(token, 'views'),
      update: () => sessions.update(token, 'name', (name) => `${name}!`),
      'a commit of a request': () => {
        const { data } = sessions.of(request)
        delete data.views
        data.list = [1]
        return sessions.of(request).commit()
      },
      set: () => sessions.set(token, { name: 'Grace' } satisfies Partial<Data>),
      setIdleTimeout: () => sessions.setIdleTimeout(token, '1h'),
    }
    for (const [what, act] of Object.entries(acts)) {
      await act()
      const all = await redis.client.hGetAll(session(id))
      assert.deepEqual({ ...all, ...LATER }, { ...all }, what)
    }
    assert.deepEqual((await sessions.peek(token))?.data, { name: 'Grace' })
    const rotated = await sessions.rotate(token)
    const all = await redis.client.hGetAll(session(rotated.id))
    assert.deepEqual({ ...all, ...LATER }, { ...all })
  })
})
