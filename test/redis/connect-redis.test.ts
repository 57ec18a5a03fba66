import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { RedisStore as ConnectRedisStore } from 'connect-redis'
import session, { type SessionData } from 'express-session'
import { connectionOf } from '../../src/redis/clients/clients.ts'
import { ConnectRedis } from '../../src/redis/connect-redis.ts'
import { Keys } from '../../src/redis/keys.ts'
import { Runner } from '../../src/redis/runner.ts'
import { call } from '../store-contract.ts'
import { newPrefix, useRedis } from './support.ts'

const HOUR = 3_600_000

describe('a session that connect-redis keeps', () => {
  const redis = useRedis()
  let runner: Runner

  before(() => {
    runner = new Runner(connectionOf(redis.client))
  })

  /** A session under a prefix of its own, as connect-redis writes it. */
  async function kept({ ttl = 3600, disableTTL = false } = {}) {
    const from = newPrefix()
    const sid = randomUUID()
    const theirs = new ConnectRedisStore({ client: redis.client, prefix: from, ttl, disableTTL })
    await theirs.set(sid, { cookie: new session.Cookie(), user: 'Ada', ключ: '👜' } as unknown as SessionData)
    const key = from + sid
    const text = (await redis.client.get(key)) ?? assert.fail()
    return { from, sid, theirs, key, text, old: new ConnectRedis(runner, from, new Keys('ours:')) }
  }

  it('is handed out with the time it has left, and connect-redis reads it as before', async () => {
    const { sid, theirs, key, text, old } = await kept()
    const before = await theirs.get(sid)
    assert.deepEqual(await old.read(sid, call()), { text, state: 'theirs' })
    const taken = await old.take(sid, text, call())
    assert.ok(taken !== 'changed' && taken.left !== null)
    assert.ok(taken.left > HOUR - 60_000 && taken.left <= HOUR)
    assert.deepEqual(await theirs.get(sid), before)
    assert.equal(await old.taken(sid, 1000, call()), true)
    assert.deepEqual(await theirs.get(sid), before)
    assert.notEqual(await redis.client.get(key), text)
    assert.ok((await redis.client.pTTL(key)) > HOUR - 60_000)
  })

  it('is handed out until it is marked as taken over, then never again to this prefix', async () => {
    const { from, sid, text, old } = await kept()
    const readBy = async (by: ConnectRedis) => (await by.read(sid, call())) ?? assert.fail()
    for (let crashed = 0; crashed < 3; crashed++) {
      const found = await readBy(old)
      assert.equal(found.state, crashed === 0 ? 'theirs' : 'taking')
      assert.deepEqual(JSON.parse(found.text), JSON.parse(text))
      assert.notEqual(await old.take(sid, found.text, call()), 'changed')
    }
    await old.taken(sid, 1000, call())
    await old.taken(sid, 1000, call())
    assert.equal((await readBy(old)).state, 'taken')

    const another = new ConnectRedis(runner, from, new Keys('another prefix:'))
    const again = await readBy(another)
    assert.equal(again.state, 'theirs')
    assert.deepEqual(JSON.parse(again.text), JSON.parse(text))
    await another.take(sid, again.text, call())
    await another.taken(sid, 1000, call())
    assert.equal((await readBy(another)).state, 'taken')
    assert.equal((await readBy(old)).state, 'theirs')
  })

  it('is not taken over as anything but what was read', async () => {
    const { sid, theirs, key, text, old } = await kept()
    const data = (await theirs.get(sid)) ?? assert.fail()
    await theirs.set(sid, { ...data, user: 'Grace' } as unknown as SessionData)
    const written = await redis.client.get(key)
    assert.equal(await old.take(sid, text, call()), 'changed')
    assert.equal(await redis.client.get(key), written)
    await theirs.destroy(sid)
    assert.equal(await old.take(sid, text, call()), 'changed')
    assert.equal(await redis.client.exists(key), 0)
  })

  it('stays marked when connect-redis touches it, and not when connect-redis writes it', async () => {
    const { sid, theirs, text, old } = await kept()
    await old.take(sid, text, call())
    await old.taken(sid, 1000, call())
    const data = (await theirs.get(sid)) ?? assert.fail()
    await theirs.touch(sid, data)
    assert.equal((await old.read(sid, call()))?.state, 'taken')
    await theirs.set(sid, data)
    assert.equal((await old.read(sid, call()))?.state, 'theirs')
  })

  it('gets an expiry when it is taken over without one, and keeps the one it has', async () => {
    const { sid, key, text, old } = await kept({ disableTTL: true })
    assert.deepEqual(await old.take(sid, text, call()), { left: null })
    await old.taken(sid, HOUR, call())
    const left = await redis.client.pTTL(key)
    assert.ok(left > HOUR - 60_000 && left <= HOUR)
    await old.taken(sid, 2 * HOUR, call())
    assert.ok((await redis.client.pTTL(key)) <= left)
  })

  it('is none where there is nothing, and is gone when it ends meanwhile', async () => {
    const { sid, theirs, text, old, key } = await kept()
    assert.equal(await old.read(randomUUID(), call()), null)
    await old.take(sid, text, call())
    await theirs.destroy(sid)
    assert.equal(await old.taken(sid, 1000, call()), false)
    assert.equal(await old.read(sid, call()), null)
    assert.equal(await redis.client.exists(key), 0)
  })

  it('is none where there is a key of another type, on which nothing fails', async () => {
    const { sid, key, text, old } = await kept()
    await redis.client.del(key)
    await redis.client.hSet(key, 'cookie', '{}')
    assert.equal(await old.take(sid, text, call()), 'changed')
    assert.equal(await old.read(sid, call()), null)
    assert.equal(await old.taken(sid, 1000, call()), false)
    assert.equal(await old.write(sid, '{}', 1000, call()), 'gone')
    assert.equal(await redis.client.hGet(key, 'cookie'), '{}')
    await redis.client.del(key)
  })

  it('is written and touched where it is', async () => {
    const { sid, theirs, key, old } = await kept()
    assert.equal(await old.write(sid, '{"cookie":{},"user":"Grace"}', 2 * HOUR, call()), 'ok')
    assert.deepEqual(await theirs.get(sid), { cookie: {}, user: 'Grace' })
    assert.ok((await redis.client.pTTL(key)) > 1.9 * HOUR)
    assert.equal(await old.write(sid, null, 3 * HOUR, call()), 'ok')
    assert.deepEqual(await theirs.get(sid), { cookie: {}, user: 'Grace' })
    assert.ok((await redis.client.pTTL(key)) > 2.9 * HOUR)
  })

  it('does not come back by a write or a touch', async () => {
    const { sid, theirs, key, old } = await kept()
    await theirs.destroy(sid)
    for (const json of ['{"cookie":{}}', null]) assert.equal(await old.write(sid, json, HOUR, call()), 'gone')
    assert.equal(await redis.client.exists(key), 0)
  })

  it('is not written where it was any more, once somebody takes it over', async () => {
    const { sid, key, text, old } = await kept()
    await old.take(sid, text, call())
    const whileTaken = await redis.client.get(key)
    for (const json of ['{"cookie":{}}', null]) assert.equal(await old.write(sid, json, 9 * HOUR, call()), 'taken')
    assert.equal(await redis.client.get(key), whileTaken)
    await old.taken(sid, 1000, call())
    for (const json of ['{"cookie":{}}', null]) assert.equal(await old.write(sid, json, 9 * HOUR, call()), 'taken')
    assert.ok((await redis.client.pTTL(key)) <= HOUR)
  })

  it('ends there too', async () => {
    const { sid, theirs, old } = await kept()
    await old.destroy(sid, call())
    assert.equal(await theirs.get(sid), null)
    await old.create(sid, '{"cookie":{}}', HOUR, call())
    assert.deepEqual(await theirs.get(sid), { cookie: {} })
  })
})
