import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionRef } from '../../src/core/store.ts'
import { redisStore } from '../../src/redis.ts'
import { ALL, ALWAYS, begin, call, changes, idBeside, loaded, NOTE, ROTATION } from '../store-contract.ts'
import { assertConsistent } from './consistency.ts'
import { keysOf, newPrefix, useRedis } from './support.ts'

describe('the indexes of a partition', () => {
  const redis = useRedis()
  const members = (key: string) => redis.client.zRange(key, 0, -1)

  async function start() {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    /** A user and a guest in the same partition. */
    const ada = await begin(store, { userId: 'ada' })
    const guest = (idleTimeout: number): Promise<SessionRef> =>
      begin(store, { id: idBeside(ada), userId: null, idleTimeout })
    return { prefix, store, ada, guest, keys: keysOf(prefix, ada.id, 'ada') }
  }

  it('drop what has expired whenever a session begins', async () => {
    const { prefix, store, ada, keys } = await start()
    const indexes = [keys.members, keys.seen, `${prefix}{${ada.id.slice(0, 2)}}:user:ada`]
    const expire = async () => {
      const brief = await begin(store, { userId: 'ada', idleTimeout: 30 })
      while ((await loaded(store, brief.id)) !== null) await pause(5)
      for (const key of indexes) assert.ok((await members(key)).includes(brief.id), key)
    }
    await expire()
    const second = await begin(store, { userId: 'ada' })
    for (const key of indexes) assert.deepEqual(new Set(await members(key)), new Set([ada.id, second.id]), key)
    await expire()
    const next = idBeside(ada)
    const renew = { idleTimeout: 60_000, lifetime: 60_000 }
    assert.equal((await store.rotate(ada, next, { ...ROTATION, renew }, call())).status, 'ok')
    for (const key of indexes) assert.deepEqual(new Set(await members(key)), new Set([next, second.id]), key)
    await assertConsistent(redis.client, prefix)
  })

  it('forget a user whose sessions have all expired', async () => {
    const { prefix, store, ada, keys } = await start()
    // Another user in this partition is one that happens to be.
    const users = `${prefix}{${ada.id.slice(0, 2)}}:users`
    await redis.client.zAdd(users, { score: 1, value: 'long gone' })
    const second = await begin(store, { userId: 'ada' })
    assert.deepEqual(await members(users), ['ada'])
    for (const ref of [ada, second]) await store.destroy(ref, NOTE, call())
    assert.equal(await redis.client.exists([users, keys.members, keys.seen]), 0)
  })

  it('keep nothing of guests that come and go while a user stays, but for the last', async () => {
    const { prefix, store, ada, guest, keys } = await start()
    for (let i = 0; i < 5; i++) {
      const { id } = await guest(10)
      assert.deepEqual(new Set(await members(keys.seen)), new Set([ada.id, id]))
      while ((await loaded(store, id)) !== null) await pause(2)
      await store.touch(ada, 0, 0, call())
    }
    await assertConsistent(redis.client, prefix)
  })

  it('keep nothing of users that come and go while a guest stays', async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const ada = await begin(store, { userId: 'ada', idleTimeout: 40 })
    const staying = await begin(store, { id: idBeside(ada) })
    while ((await loaded(store, ada.id)) !== null) await pause(2)
    const guest = await begin(store, { id: idBeside(ada) })
    assert.deepEqual(new Set(await members(keysOf(prefix, ada.id).seen)), new Set([staying.id, guest.id]))
    await assertConsistent(redis.client, prefix)
  })

  it('take a session in again that memory pressure has taken out', async () => {
    const { prefix, store, ada, guest, keys } = await start()
    const other = await guest(60_000)
    await redis.client.del([...keys.indexes])
    assert.deepEqual(await store.count(call()), { guests: 0, members: 0 })
    await store.touch(ada, 0, 0, call())
    await store.touch(other, 0, 0, call())
    assert.deepEqual(await store.count(call()), { guests: 1, members: 1 })
    await assertConsistent(redis.client, prefix)
  })

  it('lose to a list of the most recent what is no more, and that list is complete', async () => {
    const { prefix, store, ada, guest, keys } = await start()
    const [second, third] = [await guest(60_000), await guest(60_000)]
    const gone = [await guest(60_000), await guest(60_000), await guest(60_000)]
    for (const { id } of gone) await redis.client.del(keysOf(prefix, id).session)
    const listed = await store.recent(3, ALL, call())
    assert.deepEqual(
      listed.map(({ id }) => id),
      [third.id, second.id, ada.id],
    )
    assert.deepEqual(new Set(await members(keys.seen)), new Set([ada.id, second.id, third.id]))
  })

  it('are no list of the most recent for a client that may not read the sessions', async (t) => {
    const { prefix, store, keys } = await start()
    await redis.client.sendCommand(['ACL', 'SETUSER', 'blind', 'on', 'nopass', '~*', '&*', '+@all', '-hmget'])
    t.after(() => redis.client.sendCommand(['ACL', 'DELUSER', 'blind']))
    const blind = await redis.server.connect({ username: 'blind', password: 'any' })
    t.after(() => blind.destroy())
    await assert.rejects(redisStore(blind, { prefix }).recent(3, ALL, call()), {
      code: 'ERR_STORE_REPLY',
      outcome: 'none',
      message: /NOPERM/,
    })
    // Nothing was taken for gone.
    assert.equal((await members(keys.seen)).length, 1)
    assert.equal((await store.recent(3, ALL, call())).length, 1)
  })

  it('list no session twice that is accessed while they are read', async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const refs: SessionRef[] = []
    for (let i = 0; i < 30; i++) refs.push(await begin(store, { userId: 'ada' }))
    let done = false
    const touching = (async () => {
      for (let i = 0; !done; i++) await store.touch(refs[i % refs.length] as SessionRef, 0, 0, call())
    })()
    for (let i = 0; i < 20; i++) {
      const ids = (await store.recent(25, ALL, call())).map(({ id }) => id)
      assert.equal(new Set(ids).size, ids.length)
      // One that moves to the front while the rest is read may be missing.
      assert.ok(ids.length > 5 && ids.length <= 25, `${ids.length} listed`)
    }
    done = true
    await touching
  })
})

describe('what a rotation leaves', () => {
  const redis = useRedis()

  async function tombstone(lifetime: number, grace: number, reuseWindow: number) {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const ref = await begin(store, { idleTimeout: 1000, lifetime })
    const to = idBeside(ref)
    await store.rotate(ref, to, { ...ROTATION, grace, reuseWindow }, call())
    const { session } = keysOf(prefix, ref.id)
    return { fields: await redis.client.hGetAll(session), ttl: await redis.client.pTTL(session), to }
  }

  it('is the way to its successor, and nothing of the session', async () => {
    const { fields, to } = await tombstone(60_000, 10_000, 30_000)
    assert.deepEqual(Object.keys(fields).sort(), ['_grace_until', '_successor'])
    assert.equal(fields._successor, to)
  })

  it('is remembered for the reuse window, or the grace if that is longer, and never beyond the deadline', async () => {
    const near = (ttl: number, ms: number) => assert.ok(ttl > ms - 500 && ttl <= ms, `${ttl} is not ${ms}`)
    near((await tombstone(60_000, 10_000, 30_000)).ttl, 30_000)
    near((await tombstone(60_000, 10_000, 0)).ttl, 10_000)
    near((await tombstone(60_000, 10_000, 90_000)).ttl, 60_000)
    near((await tombstone(60_000, 90_000, 0)).ttl, 60_000)
  })
})

describe('fields of a later version', () => {
  const redis = useRedis()

  it('survive a replacement of all data, and are shown to nobody', async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const ref = await begin(store, { data: { a: '1' } })
    const { session } = keysOf(prefix, ref.id)
    await redis.client.hSet(session, { _later: 'x', device: 'laptop', roles: '["x"]' })
    await store.commit(ref, changes({ replace: true, set: new Map([['b', '2']]) }), ALWAYS, call())
    const { _later, device, roles, a, b } = await redis.client.hGetAll(session)
    assert.deepEqual([_later, device, roles, a, b], ['x', 'laptop', '["x"]', undefined, '2'])
  })
})
