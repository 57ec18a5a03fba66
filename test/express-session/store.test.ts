import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis, warningsOf } from '../redis/support.ts'
import { assertEveryKeyExpires, assertNoToken } from '../support/redis-server.ts'
import { asJson, ENDED, keyOf, lasting, newStore, plain, read } from './support.ts'

// The store asked directly, as other stores of express-session are: what it keeps, what it writes, what it ends.

describe('the store', () => {
  const prefixes: string[] = []
  const redis = useRedis()
  const sids = ['s', 'one', 'two', 'other', 'sid with spaces & {braces} \u{1f9e5}', 'x'.repeat(300)]
  const open = (options: object = {}) => {
    const prefix = newPrefix()
    prefixes.push(prefix)
    return { prefix, store: newStore(redis.client, { prefix, ...options }) }
  }

  it('gives back what was set, as JSON keeps it', async () => {
    const { store } = open()
    const own = {
      text: 'x',
      number: 1.5,
      digits: '42',
      truth: false,
      nothing: null,
      empty: '',
      list: [1, { a: [] }],
      deep: { a: { b: { c: 'd' } } },
      when: new Date(0),
      skipped: undefined,
      nan: Number.NaN,
      run: () => 1,
    }
    for (const sid of sids) {
      for (const cookie of [lasting(60_000), { originalMaxAge: null, expires: null }, { expires: false }, {}]) {
        const session = plain({ ...own, sid: sid.length }, cookie)
        await store.set(sid, session)
        assert.deepEqual(await store.get(sid), asJson(session))
      }
    }
  })

  it('keeps properties apart from what coatcheck keeps for itself', async () => {
    const { store } = open()
    const names = [
      'roles',
      'ip',
      'user_id',
      'created_at',
      'deadline',
      'session_ttl',
      '_x',
      '_p:x',
      '_cookie',
      '_expires',
    ]
    const own = Object.fromEntries([...names, '_ended', '', '\ud800', 'y'.repeat(300)].map((name, i) => [name, { i }]))
    const session = plain(JSON.parse(`{"__proto__":{"polluted":true},"constructor":1,${JSON.stringify(own).slice(1)}`))
    await store.set('s', session)
    const found = await read(store, 's')
    assert.deepEqual(Object.keys(found).sort(), Object.keys(session).sort())
    assert.equal(JSON.stringify(Object.getOwnPropertyDescriptor(found, '__proto__')?.value), '{"polluted":true}')
    assert.equal(Object.getPrototypeOf(found), Object.prototype)
    assert.deepEqual(asJson(found), asJson(session))
  })

  it('knows no session that never was, and destroys it without an error', async () => {
    const { store } = open()
    assert.equal(await store.get('one'), null)
    assert.equal(await store.destroy('one'), undefined)
    await assert.rejects(store.touch('two', plain()), ENDED)
  })

  it('writes only what has changed of a session that was read', async () => {
    const { store } = open()
    await store.set('s', plain({ a: 1, b: { n: 1 }, c: 1 }))
    const [first, second] = [await read(store, 's'), await read(store, 's')]
    first.a = 2
    second.b.n = 2
    second.d = 'new'
    delete second.c
    await Promise.all([store.set('s', first), store.set('s', second)])
    const { cookie, ...found } = await read(store, 's')
    assert.deepEqual(found, { a: 2, b: { n: 2 }, d: 'new' })
    // Both know the store as they have left it.
    first.a = 3
    second.d = 'newer'
    await Promise.all([store.set('s', first), store.set('s', second)])
    assert.deepEqual({ ...(await read(store, 's')), cookie: null }, { a: 3, b: { n: 2 }, d: 'newer', cookie: null })
  })

  it('writes what was sent, not what the object has become meanwhile', async () => {
    const { store } = open()
    const session = plain({ n: 1 })
    const first = store.set('s', session)
    session.n = 2
    await first
    assert.equal((await read(store, 's')).n, 1)
    const second = store.set('s', session)
    session.n = 1
    await second
    assert.equal((await read(store, 's')).n, 2)
    await store.set('s', session)
    assert.equal((await read(store, 's')).n, 1)
  })

  it('writes what has changed back while it was being written', async () => {
    const { store } = open()
    await store.set('s', plain({ a: 1, b: 1 }))
    const session = await read(store, 's')
    session.a = 2
    session.c = 1
    delete session.b
    const first = store.set('s', session)
    session.a = 1
    session.b = 1
    delete session.c
    await Promise.all([first, store.set('s', session)])
    assert.deepEqual({ ...(await read(store, 's')), cookie: null }, { a: 1, b: 1, cookie: null })
    // All of it is known again: a third writes nothing of what others write now.
    const other = await read(store, 's')
    other.a = 3
    await store.set('s', other)
    await store.set('s', session)
    assert.equal((await read(store, 's')).a, 3)
  })

  it('takes an object that it has not read for the whole session', async () => {
    const { store } = open()
    await store.set('s', plain({ a: 1, b: 1, roles: 1 }))
    await store.set('s', plain({ a: 2 }))
    assert.deepEqual({ ...(await read(store, 's')), cookie: null }, { a: 2, cookie: null })
    // Under another id it is another session.
    const session = await read(store, 's')
    await store.set('other', session)
    assert.deepEqual(await store.get('other'), asJson(session))
  })

  it('brings no session back that has ended, whoever sets or touches it', async () => {
    const { store, prefix } = open({ touchInterval: 0 })
    await store.set('s', plain({ a: 1 }))
    const known = await read(store, 's')
    await store.destroy('s')
    known.a = 2
    for (const session of [known, { ...known }, plain()]) {
      await assert.rejects(store.set('s', session), ENDED)
      await assert.rejects(store.touch('s', session), ENDED)
    }
    // What remembers it is no broken session, of which somebody would have to be warned.
    const warnings = await warningsOf(async () => assert.equal(await store.get('s'), null))
    assert.deepEqual(warnings, [])
    assert.deepEqual(Object.keys(await redis.client.hGetAll(keyOf(prefix, 's'))), ['_ended'])
    const left = await redis.client.pTTL(keyOf(prefix, 's'))
    assert.ok(left > 3_590_000 && left <= 3_600_000, `${left}`)
    await store.destroy('s')
  })

  it('leaves all of it in order, no key for ever, and no session id anywhere', async () => {
    for (const prefix of prefixes) await assertConsistent(redis.client, prefix, { monitoring: false })
    assert.ok((await assertEveryKeyExpires(redis.client)) > 0)
    await assertNoToken(
      redis.client,
      sids.filter((sid) => sid.length > 3),
    )
  })
})
