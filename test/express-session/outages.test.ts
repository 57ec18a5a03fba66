import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { CoatcheckStore, CoatcheckStoreOptions } from '../../src/express-session.ts'
import { StoreError } from '../../src/index.ts'
import { newPrefix, useRedis, warningsOf } from '../redis/support.ts'
import { deferred, eventually } from '../support/http.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openApp, sidOf } from './apps.ts'
import { ENDED, keyOf, lasting, newStore, plain, read } from './support.ts'

// What the store says when Redis is away, hangs, has no memory left, or holds something else.

const TIMEOUT = 500
/** How late an answer may come on a busy machine. */
const SLACK = 3000

type Callback = (...told: unknown[]) => void

const CALLS: Record<string, (store: CoatcheckStore, callback: Callback) => void> = {
  get: (store, callback) => store.get('s', callback),
  'set of a new session': (store, callback) => store.set('other', plain({ n: 1 }), callback),
  touch: (store, callback) => store.touch('s', plain(), callback),
  destroy: (store, callback) => store.destroy('s', callback),
  all: (store, callback) => store.all(callback),
  ids: (store, callback) => store.ids(callback),
  length: (store, callback) => store.length(callback),
  clear: (store, callback) => store.clear(callback),
}

/** Makes every call at once, and looks at what each was told. */
async function assertAllFail(store: CoatcheckStore, code: RegExp): Promise<void> {
  const begun = performance.now()
  await Promise.all(
    Object.entries(CALLS).map(async ([name, call]) => {
      const told: unknown[][] = []
      const answered = deferred()
      call(store, (...all) => {
        told.push(all)
        answered.resolve()
      })
      await answered.promise
      const took = performance.now() - begun
      assert.ok(took < TIMEOUT + SLACK, `${name} took ${took} ms`)
      const [[error, ...more] = []] = told
      assert.ok(error instanceof StoreError, `${name}: ${error}`)
      assert.match(error.code, code, name)
      assert.equal(error.status, 503)
      assert.deepEqual(more, [])
      // Nothing is said twice, whatever comes late.
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.equal(told.length, 1, name)
    }),
  )
}

async function openServer(t: TestContext, options: Omit<CoatcheckStoreOptions, 'client'> = {}) {
  const server = await startRedis()
  t.after(() => server.stop())
  const client = await server.connect()
  const prefix = newPrefix()
  const store = newStore(client, { prefix, storeTimeout: TIMEOUT, ...options })
  return { server, client, prefix, store }
}

/** A frozen server ends with its test all the same. */
function freeze({ pid }: RedisServer): () => void {
  process.kill(pid, 'SIGSTOP')
  return () => void process.kill(pid, 'SIGCONT')
}

describe('when Redis', () => {
  const redis = useRedis()

  it('is killed, every call is told so once, within the deadline', async (t) => {
    const { server, store } = await openServer(t)
    await store.set('s', plain({ a: 1 }))
    await server.stop()
    await assertAllFail(store, /^ERR_STORE_(UNAVAILABLE|TIMEOUT)$/)
  })

  it('hangs, every call is told so once, within the deadline; and afterwards all goes on', async (t) => {
    const { server, store } = await openServer(t)
    await store.set('s', plain({ a: 1 }))
    const thaw = freeze(server)
    await assertAllFail(store, /^ERR_STORE_TIMEOUT$/)
    thaw()
    await store.set('new', plain({ a: 1 }))
    assert.equal((await read(store, 'new')).a, 1)
  })

  it('hangs while a session is set, the next set says all of it again', async (t) => {
    const { server, store } = await openServer(t)
    await store.set('s', plain({ a: 1, b: 1 }))
    const session = await read(store, 's')
    // From here on the server knows the script, with removals: the next set is one command.
    for (const d of [1, undefined]) {
      session.d = d
      await store.set('s', session)
    }
    session.a = 2
    session.c = 1
    delete session.b
    const thaw = freeze(server)
    await assert.rejects(store.set('s', session), { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
    thaw()
    await eventually(async () => (await read(store, 's')).a === 2)
    // As it was when it was read: what has been written all the same has to go.
    session.a = 1
    session.b = 1
    delete session.c
    await store.set('s', session)
    const { a, b, c } = await read(store, 's')
    assert.deepEqual({ a, b, c }, { a: 1, b: 1, c: undefined })
  })

  it('has no memory left, sessions are read, touched and ended, and a set is told', async (t) => {
    const { client, store, prefix } = await openServer(t, { touchInterval: 0 })
    await store.set('s', plain({ a: 1 }, lasting(60_000)))
    await store.set('browser', plain({ a: 1 }))
    const session = await read(store, 's')
    await client.configSet('maxmemory', '1')
    session.a = 2
    await assert.rejects(store.set('s', session), { code: 'ERR_STORE_FULL', status: 503, outcome: 'none' })
    await assert.rejects(store.set('new', plain()), { code: 'ERR_STORE_FULL' })
    assert.equal((await read(store, 's')).a, 1)

    const key = keyOf(prefix, 's')
    const end = await client.pExpireTime(key)
    await eventually(async () => {
      session.cookie = lasting(60_000) as never
      await store.touch('s', session)
      return (await client.pExpireTime(key)) > end
    })
    await store.touch('browser', await read(store, 'browser'))

    await store.destroy('s')
    await store.destroy('never')
    assert.equal(await store.get('s'), null)
    await assert.rejects(store.touch('s', session), ENDED)
    // The tombstones were written, too: once there is memory again, no copy brings the sessions back.
    await client.configSet('maxmemory', '0')
    for (const sid of ['s', 'never']) await assert.rejects(store.set(sid, plain()), ENDED)
  })

  it('holds something else under the key, that is no session, and stays', async () => {
    const prefix = newPrefix()
    const store = newStore(redis.client, { prefix, touchInterval: 0 })
    for (const [sid, put] of [
      ['list', (key: string) => redis.client.rPush(key, 'x')],
      ['text', (key: string) => redis.client.set(key, 'x')],
      ['hash', (key: string) => redis.client.hSet(key, 'x', 'y')],
    ] as const) {
      await store.set(sid, plain({ a: 1 }))
      const known = await read(store, sid)
      const key = keyOf(prefix, sid)
      await redis.client.del(key)
      await put(key)
      const before = await redis.client.dump(key)
      const warnings = await warningsOf(async () => {
        for (let i = 0; i < 3; i++) assert.equal(await store.get(sid), null)
      })
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['COATCHECK_BROKEN_SESSION'],
      )
      await assert.rejects(store.set(sid, known), ENDED)
      await assert.rejects(store.set(sid, plain({ a: 2 })), ENDED)
      await assert.rejects(store.touch(sid, known), ENDED)
      await store.destroy(sid)
      assert.deepEqual(await redis.client.dump(key), before)
      assert.ok((await redis.client.pTTL(key)) > 0)
    }
    assert.deepEqual(await store.all(), [])
  })
})

describe('an application when Redis', () => {
  it('is killed answers 503 to who has a session, and goes on for all others', async (t) => {
    const { server, store } = await openServer(t)
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        req.session.user = 'ada'
        res.end()
      })
      app.get('/', (_req, res) => void res.end('welcome'))
    })
    const one = visitor()
    await one.post('/begin')
    await server.stop()
    const begun = performance.now()
    assert.equal((await one.get('/')).status, 503)
    assert.ok(performance.now() - begun < TIMEOUT + SLACK)
    assert.equal((await visitor().get('/')).text, 'welcome')
    assert.equal(errors.length, 1)
    assert.ok(errors[0] instanceof StoreError)
  })

  it('hangs while a response ends has it sent all the same, and is told afterwards', async (t) => {
    const { server, store } = await openServer(t)
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        req.session.n = 1
        res.end()
      })
      app.post('/change', (req, res) => {
        req.session.n = 2
        freeze(server)
        res.json({ saved: 'no' })
      })
      app.post('/save', (req, res, next) => {
        req.session.n = 3
        const thaw = freeze(server)
        req.session.save((error) => {
          thaw()
          return error ? next(error) : res.json({ saved: 'yes' })
        })
      })
    })
    const one = visitor()
    await one.post('/begin')
    assert.ok(await store.get(sidOf(one)))
    const reply = await one.post('/change')
    // express-session sends the head before it saves.
    assert.deepEqual([reply.status, reply.json], [200, { saved: 'no' }])
    await eventually(() => errors.length === 1)
    assert.ok(errors[0] instanceof StoreError)
    process.kill(server.pid, 'SIGCONT')
    await eventually(() => store.length().then(Boolean, () => false))
    // Who wants to know before the answer saves before it.
    assert.equal((await one.post('/save')).status, 503)
  })

  it('is killed outlives a session.destroy() without a callback, with a warning', async (t) => {
    const { server, store } = await openServer(t)
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        req.session.user = 'ada'
        res.end()
      })
      app.post('/logout', async (req, res) => {
        await server.stop()
        ;(req.session as unknown as { destroy(): void }).destroy()
        res.end('bye')
      })
    })
    const one = visitor()
    await one.post('/begin')
    const rejections: unknown[] = []
    const listen = (error: unknown) => rejections.push(error)
    process.on('unhandledRejection', listen)
    t.after(() => process.off('unhandledRejection', listen))
    const warned: (string | undefined)[] = []
    const hear = (warning: Error & { code?: string }) => void warned.push(warning.code)
    process.on('warning', hear)
    t.after(() => process.off('warning', hear))
    assert.equal((await one.post('/logout')).text, 'bye')
    await eventually(() => warned.length > 0)
    assert.deepEqual(warned, ['COATCHECK_DESTROY_FAILED'])
    assert.deepEqual([rejections, errors], [[], []])
  })
})
