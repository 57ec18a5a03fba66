import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import type { SessionData } from 'express-session'
import { scripts } from '../../src/redis/scripts.ts'
import { useRedis } from '../redis/support.ts'
import { cookieOf, dataOf, Sessions } from './connect-redis-sessions.ts'
import { asJson, ENDED, type Own, plain } from './support.ts'
import { deedOf, tampered } from './tampered-client.ts'

const MINUTE = 60_000

describe('migrate with rolling', () => {
  const redis = useRedis()

  function begun() {
    const sessions = new Sessions(redis.client)
    const rolling = (options: object = {}) =>
      sessions.ours({ migrate: { from: sessions.from, rolling: true }, ...options })
    return { sessions, theirs: sessions.theirs(), rolling, store: rolling(), migrate: sessions.ours() }
  }

  const read = async (store: { get(sid: string): Promise<SessionData | null> }, sid: string) =>
    ((await store.get(sid)) as Own | null) ?? assert.fail('no session')

  it('keeps sessions as connect-redis does', async () => {
    const { sessions, theirs, store } = begun()
    const session = plain({ user: 'Ada', roles: ['admin'], _x: { '': [null] } }, cookieOf(30 * MINUTE))
    for (const sid of [randomUUID(), randomUUID()]) {
      await store.set(sid, session)
      assert.deepEqual(await theirs.get(sid), asJson(session))
      assert.deepEqual(await store.get(sid), asJson(session))
      assert.equal(await redis.client.get(sessions.oldKey(sid)), JSON.stringify(session))
      const left = await redis.client.pTTL(sessions.oldKey(sid))
      assert.ok(left > 29 * MINUTE && left <= 30 * MINUTE)
      assert.equal(await redis.client.exists(sessions.newKey(sid)), 0)
    }
    assert.equal(await store.length(), 0)
  })

  it('goes on with what connect-redis has begun, and the other way round', async () => {
    const { sessions, theirs, store } = begun()
    const sid = await sessions.keep({ views: 1 })
    for (let views = 1; views < 7; views += 2) {
      const found = await read(store, sid)
      assert.equal(found.views, views)
      await store.set(sid, Object.assign(found, { views: views + 1 }))
      const back = await read(theirs as never, sid)
      assert.equal(back.views, views + 1)
      await theirs.set(sid, Object.assign(back, { views: views + 2 }))
    }
  })

  it('sends two commands more to read a session, none more to write or touch it, three more to begin one', async () => {
    const { sessions, rolling } = begun()
    for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
    const deeds: string[] = []
    const store = rolling({ onCommand: (words: readonly string[]) => deeds.push(deedOf(words)) })
    const sid = await sessions.keep({ user: 'Ada' })
    const found = await read(store, sid)
    assert.deepEqual(deeds.splice(0).sort(), ['GET', 'HGET', 'HGETALL'])
    await store.set(sid, found)
    assert.deepEqual(deeds.splice(0), ['old_write'])
    await store.touch(sid, found)
    assert.deepEqual(deeds.splice(0), ['old_write'])
    const another = plain({ user: 'Grace' })
    const id = randomUUID()
    await store.set(id, another)
    assert.deepEqual(deeds.splice(0), ['old_write', 'HGETALL', 'HGET', 'SET'])
    await store.set(id, another)
    assert.deepEqual(deeds.splice(0), ['old_write'])
    await store.destroy(id)
    assert.deepEqual(deeds.splice(0), ['DEL', 'destroy'])
  })

  it('touches the session where it is, and changes nothing else of it', async () => {
    const { sessions, store } = begun()
    const sid = await sessions.keep({ user: 'Ada' }, { maxAge: MINUTE })
    const text = await redis.client.get(sessions.oldKey(sid))
    const found = await read(store, sid)
    await store.touch(sid, { ...found, user: 'Grace', cookie: cookieOf(60 * MINUTE) })
    assert.equal(await redis.client.get(sessions.oldKey(sid)), text)
    assert.ok((await redis.client.pTTL(sessions.oldKey(sid))) > 59 * MINUTE)
  })

  it('brings nothing back that connect-redis has ended', async () => {
    const { sessions, theirs, store } = begun()
    const sid = await sessions.keep({ user: 'Ada' })
    const found = await read(store, sid)
    await theirs.destroy(sid)
    await assert.rejects(store.set(sid, found), ENDED)
    await assert.rejects(store.touch(sid, found), ENDED)
    await assert.rejects(store.touch(sid, { ...found }), ENDED)
    assert.equal(await redis.client.exists([sessions.oldKey(sid), sessions.newKey(sid)]), 0)
  })

  it('brings nothing back that it has ended itself, in whatever object it comes', async () => {
    const { sessions, store, migrate } = begun()
    const sid = await sessions.keep({ user: 'Ada' })
    const found = await read(store, sid)
    await store.destroy(sid)
    for (const session of [found, { ...found }]) {
      await assert.rejects(store.set(sid, session), ENDED)
      await assert.rejects(store.touch(sid, session), ENDED)
    }
    assert.equal(await redis.client.exists(sessions.oldKey(sid)), 0)
    for (const each of [store, migrate]) assert.equal(await each.get(sid), null)
  })

  it('refuses what a slow write of connect-redis brings back, and removes it', async () => {
    const { sessions, theirs, store } = begun()
    const sid = await sessions.keep({ user: 'Ada' })
    const slow = await read(theirs as never, sid)
    await store.destroy(sid)
    await theirs.set(sid, slow)
    assert.equal(await store.get(sid), null)
    assert.equal(await theirs.get(sid), null)
  })

  it('ends a session whose cookie is set to have expired', async () => {
    const { sessions, theirs, store } = begun()
    for (const end of ['set', 'touch'] as const) {
      const sid = await sessions.keep({ user: 'Ada' })
      const found = await read(store, sid)
      await store[end](sid, { ...found, cookie: cookieOf(-1) } as Own)
      assert.equal(await theirs.get(sid), null)
      await assert.rejects(store.set(sid, found), ENDED)
    }
  })

  it('writes only what it has changed, when another instance has taken the session over since', async () => {
    const { sessions, store, migrate } = begun()
    const sid = await sessions.keep({ a: 1, b: 1, c: 1, gone: 1 })
    const mine = await read(store, sid)
    const theirs = await read(migrate, sid)
    await migrate.set(sid, Object.assign(theirs, { b: 2, d: 2 }))
    mine.a = 3
    delete mine.gone
    await store.set(sid, mine)
    const expected = { a: 3, b: 2, c: 1, d: 2 }
    for (const each of [store, migrate]) assert.deepEqual(dataOf(await each.get(sid)), expected)
    // The same object again, now that it is known where.
    await store.set(sid, Object.assign(mine, { c: 4 }))
    assert.deepEqual(dataOf(await migrate.get(sid)), { ...expected, c: 4 })
  })

  it('touches a session where it is now, when another instance has taken it over since', async () => {
    const { sessions, store, migrate } = begun()
    const sid = await sessions.keep({ user: 'Ada' }, { maxAge: MINUTE })
    const mine = await read(store, sid)
    await migrate.get(sid)
    for (const session of [mine, { ...mine }]) {
      await redis.client.pExpire(sessions.newKey(sid), MINUTE)
      await store.touch(sid, Object.assign(session, { cookie: cookieOf(60 * MINUTE) }))
      assert.ok((await redis.client.pTTL(sessions.newKey(sid))) > 59 * MINUTE)
    }
  })

  it('replaces a session that has been taken over with an object of which nothing is known, as any store does', async () => {
    const { sessions, store, migrate } = begun()
    const sid = await sessions.keep({ a: 1, b: 1 })
    await store.set(sid, plain({ a: 2 }))
    assert.deepEqual(dataOf(await store.get(sid)), { a: 2 })
    await migrate.get(sid)
    await store.set(sid, plain({ a: 3 }))
    for (const each of [store, migrate]) assert.deepEqual(dataOf(await each.get(sid)), { a: 3 })
  })

  it('goes on with a takeover in which another instance has stopped', async () => {
    for (const step of ['take_over', 'create', 'taken_over']) {
      const { sessions, store, migrate } = begun()
      const sid = await sessions.keep({ user: 'Ada' })
      const mine = await read(store, sid)
      for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
      const after = (deed: string) => {
        if (deed === step) throw new Error('the process has stopped')
      }
      await assert.rejects(sessions.ours({ client: tampered(redis.client, { after }) }).get(sid))
      await store.set(sid, Object.assign(mine, { user: 'Grace' }))
      for (const each of [store, migrate, store]) assert.deepEqual(dataOf(await each.get(sid)), { user: 'Grace' }, step)
      assert.equal(await store.length(), 1)
    }
  })

  it('reads nothing where a session has been taken over and has ended since', async () => {
    const { sessions, theirs, store, migrate } = begun()
    const sid = await sessions.keep({ user: 'Ada' })
    await migrate.get(sid)
    await redis.client.del(sessions.newKey(sid))
    assert.equal(await store.get(sid), null)
    assert.deepEqual(dataOf(await theirs.get(sid)), { user: 'Ada' })
  })

  it('refuses handles as session ids', async () => {
    const { sessions, store, migrate } = begun()
    await migrate.get(await sessions.keep({ user: 'Ada' }))
    const [handle = ''] = await store.ids()
    await assert.rejects(store.set(handle, plain()), { code: 'ERR_ARGUMENT' })
    assert.equal(await store.get(handle), null)
    await store.destroy(handle)
    assert.equal(await store.length(), 0)
  })
})
