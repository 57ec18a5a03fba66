import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sign } from 'cookie-signature'
import { idOfSid } from '../../src/adapters/express-session/sid.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { eventually, inParallel } from '../support/http.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { openApp, SECRET } from './apps.ts'
import { asJson, ENDED, lasting, newStore, plain, read } from './support.ts'

// What is asked of all sessions together: all, ids, length, clear.

describe('all sessions', () => {
  const redis = useRedis()
  const open = (options: object = {}) => newStore(redis.client, { prefix: newPrefix(), ...options })
  const handle = (sid: string) => `id:${idOfSid(sid)}`

  /** An id of the same partition. */
  const sidBeside = (sid: string) => {
    for (let i = 0; ; i++) if (idOfSid(`${sid} ${i}`).slice(0, 2) === idOfSid(sid).slice(0, 2)) return `${sid} ${i}`
  }

  it('are none at first', async () => {
    const store = open()
    assert.deepEqual(await store.all(), [])
    assert.deepEqual(await store.ids(), [])
    assert.equal(await store.length(), 0)
    assert.equal(await store.clear(), undefined)
  })

  it('are listed with their handles, never with their own ids', async () => {
    const store = open()
    const sessions = new Map(['one', 'two', 'three'].map((sid, n) => [sid, plain({ n }, lasting(60_000 + n))]))
    for (const [sid, session] of sessions) await store.set(sid, session)
    const expected = [...sessions].map(([sid, session]) => ({ ...(asJson(session) as object), id: handle(sid) }))
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
    assert.deepEqual((await store.all()).sort(byId), expected.sort(byId))
    assert.deepEqual((await store.ids()).sort(), expected.map(({ id }) => id).sort())
    assert.equal(await store.length(), 3)
  })

  it('do not list what was destroyed, by id or by handle, or has expired', async () => {
    const store = open()
    for (const sid of ['one', 'two', 'three']) await store.set(sid, plain({ sid }))
    // Beside one that stays: the index of their partition lasts as long as that.
    const brief = sidBeside('three')
    await store.set(brief, plain({}, lasting(40)))
    await store.destroy('one')
    await store.destroy(handle('two'))
    await eventually(async () => (await store.get(brief)) === null)
    assert.deepEqual(
      (await store.all()).map(({ id }) => id),
      [handle('three')],
    )
    assert.deepEqual(await store.ids(), [handle('three')])
    assert.equal(await store.length(), 1)
    assert.equal(await store.get('two'), null)
    await assert.rejects(store.set('two', plain({})), ENDED)
  })

  it('have handles that end a session and do nothing else, even for who knows the secret', async (t) => {
    const store = open()
    const { visitor } = await openApp(t, store, (app) => {
      app.get('/', (req, res) => void res.json({ user: req.session.user ?? null }))
    })
    await store.set('s', plain({ user: 'ada' }))
    const cookieOf = (sid: string) => `connect.sid=${encodeURIComponent(`s:${sign(sid, SECRET)}`)}`
    assert.equal((await visitor().get('/', { cookie: cookieOf('s') })).json.user, 'ada')
    assert.equal((await visitor().get('/', { cookie: cookieOf(handle('s')) })).json.user, null)
    assert.equal(await store.get(handle('s')), null)
    await assert.rejects(store.touch(handle('s'), plain()), ENDED)
    await assert.rejects(store.set(handle('s'), plain()), { code: 'ERR_ARGUMENT' })
    assert.equal((await read(store, 's')).user, 'ada')
    // What only looks like a handle is an id.
    await store.set('id:short', plain({ n: 1 }))
    assert.equal((await read(store, 'id:short')).n, 1)
    await store.destroy('id:short')
    assert.equal(await store.get('id:short'), null)
  })

  it('may be a thousand, which are listed, counted and ended', { timeout: 60_000 }, async () => {
    const store = open()
    await inParallel(1000, 50, (i) => store.set(`s${i}`, plain({ i }, lasting(60_000))))
    const all = await store.all()
    assert.deepEqual(
      all.map(({ i }) => i as number).sort((a, b) => a - b),
      Array.from({ length: 1000 }, (_, i) => i),
    )
    assert.deepEqual(new Set(await store.ids()), new Set(all.map(({ id }) => id)))
    assert.equal(new Set(all.map(({ id }) => id)).size, 1000)
    assert.equal(await store.length(), 1000)
    const known = await read(store, 's7')
    await store.clear()
    assert.equal(await store.length(), 0)
    assert.deepEqual(await store.all(), [])
    assert.equal(await store.get('s7'), null)
    // For good: nobody who has read one brings it back, nor a copy.
    await assert.rejects(store.set('s7', known), ENDED)
    await assert.rejects(store.set('s7', { ...known }), ENDED)
  })

  it('are counted by their index, and read one by one', async () => {
    let sent = 0
    const store = open({ onCommand: () => void sent++ })
    const commandsOf = async (count: () => Promise<number>) => {
      sent = 0
      assert.equal(await count(), 300)
      return sent
    }
    await inParallel(300, 50, (i) => store.set(`s${i}`, plain({ i })))
    // Two indexes in each of 256 partitions.
    assert.equal(await commandsOf(() => store.length()), 512)
    assert.equal(await commandsOf(async () => (await store.all()).length), 512 + 300)
  })

  it('of another prefix are others', async () => {
    const [store, other] = [open(), open()]
    await store.set('s', plain({ a: 1 }))
    assert.equal(await other.get('s'), null)
    assert.equal(await other.length(), 0)
    await other.clear()
    assert.equal((await read(store, 's')).a, 1)
  })

  it('leave no key without a TTL', async () => {
    assert.ok((await assertEveryKeyExpires(redis.client)) > 0)
  })
})
