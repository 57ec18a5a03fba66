import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { SessionRef, SessionStore } from '../../src/core/store.ts'
import { createSessions, type SessionsOptions } from '../../src/index.ts'
import {
  ALWAYS,
  begin,
  call,
  changes,
  idBeside,
  loaded,
  NOTE,
  type Open,
  type OpenStore,
  onStore,
  ROTATION,
} from '../store-contract.ts'
import { eventually } from '../support/http.ts'

// Most writes: fields are set, and nothing else happens. What the store does, and what becomes of a request's write when the
// session is not as the request has read it.

const ENDED = { code: 'ERR_SESSION_ENDED' }

type Data = Record<string, unknown>

export function writeContract(open: Open): void {
  const on = (name: string, test: (opened: OpenStore) => Promise<void>) => onStore(open, name, test)

  describe('write', () => {
    on('sets fields, and nothing else', async ({ store, second }) => {
      for (const userId of [null, 'andrew']) {
        const ref = await begin(store, { userId, data: { keep: 'k', change: '1', n: '3' } })
        await store.touch(ref, 0, 7, call())
        const before = (await loaded(store, ref.id)) ?? assert.fail()
        const [left, listed] = [await store.timeToLive(ref.id, call()), await listedBy(store)]
        await pause(20)
        const set = new Map([
          ['change', '2'],
          ['add', '[]'],
        ])
        assert.equal(await second.write(ref.id, set, call()), true)
        const after = (await loaded(store, ref.id)) ?? assert.fail()
        assert.deepEqual(after, { ...before, fields: new Map([...before.fields, ...set]) })
        // Neither the session itself nor any index says that it was accessed.
        const after2 = (await store.timeToLive(ref.id, call())) ?? assert.fail()
        assert.ok(after2 <= Number(left) - 15, `${left} ms left, then ${after2}`)
        assert.deepEqual(await listedBy(store), listed)
      }
    })

    on('sets a thousand fields at once', async ({ store }) => {
      const ref = await begin(store)
      const set = fieldsBy(1000)
      assert.equal(await store.write(ref.id, set, call()), true)
      const { fields } = (await loaded(store, ref.id)) ?? assert.fail()
      assert.deepEqual(new Map([...fields].filter(([field]) => set.has(field))), set)
    })

    for (const [what, become] of Object.entries(OTHERWISE)) {
      on(`writes nothing, and says so, where the session ${what}`, async ({ store, second }) => {
        const ref = await begin(store, { data: { a: '1' } })
        const other = await begin(store, { data: { a: '1' } })
        await become(store, ref)
        const before = await found(store, ref)
        assert.equal(await second.write(ref.id, new Map([['a', 'late']]), call()), false)
        assert.deepEqual(await found(store, ref), before)
        assert.equal((await loaded(store, other.id))?.fields.get('a'), '1')
      })
    }

    on('brings no session about', async ({ store }) => {
      const { id } = await begin(store)
      const none = idBeside({ id, userId: null })
      assert.equal(await store.write(none, new Map([['a', '1']]), call()), false)
      assert.equal(await store.load(none, null, call()), null)
      assert.equal(await store.timeToLive(none, call()), null)
    })

    on('is sure of a session that a login has given back', async ({ store }) => {
      const ref = await begin(store)
      await store.seal(ref, 'me', 60_000, call())
      await store.seal(ref, 'me', 0, call())
      assert.equal(await store.write(ref.id, new Map([['a', '1']]), call()), true)
    })
  })

  describe('a commit', () => {
    on('takes 5,000 fields', async ({ store }) => {
      const ref = await begin(store)
      const set = fieldsBy(5000)
      assert.equal((await store.commit(ref, changes({ set }), ALWAYS, call())).status, 'ok')
      const { fields } = (await loaded(store, ref.id)) ?? assert.fail()
      assert.deepEqual(new Map([...fields].filter(([field]) => set.has(field))), set)
    })
  })

  describe('a request that sets fields', () => {
    on('is one plain write, which counts it later', async (opened) => {
      const { sessions, request, calls } = await start(opened)
      const { session, token } = await request()
      session.data.a = 1
      await session.commit()
      session.data.a = 2
      await session.commit()
      assert.deepEqual(calls.splice(0), ['load', 'write', 'write'])
      assert.deepEqual([(await sessions.peek(token))?.requestCount, session.data.a], [0, 2])
      await sessions.touch(token)
      const { requestCount, data } = (await sessions.peek(token)) ?? assert.fail()
      assert.deepEqual([requestCount, data], [1, { n: 0, a: 2 }])
    })

    on('writes to the session by its new id, if it was rotated since', async (opened) => {
      const { sessions, request, calls } = await start(opened)
      const { session, token } = await request()
      const rotated = await sessions.rotate(token)
      calls.length = 0
      session.data.a = 1
      await session.commit()
      assert.deepEqual(calls.slice(0, 3), ['write', 'commit', 'commit'])
      assert.equal(session.id, rotated.id)
      assert.deepEqual((await sessions.find(rotated.id))?.data, { n: 0, a: 1 })
      // From there on it is plain again.
      calls.length = 0
      session.data.a = 2
      await session.commit()
      assert.deepEqual(calls, ['write'])
    })

    on('waits for a login that is taking the session over, and then says that it has ended', async (opened) => {
      const { request, store, sessions } = await start(opened)
      const { session, token } = await request()
      const ref = { id: session.id ?? '', userId: null }
      await store.seal(ref, 'a login', 60_000, call())
      session.data.a = 1
      const writing = assert.rejects(session.commit(), ENDED)
      await pause(20)
      assert.deepEqual((await sessions.peek(token))?.data, { n: 0 })
      await store.release(ref, 'a login', null, NOTE, call())
      await writing
      assert.equal(await sessions.peek(token), null)
    })

    on('goes on where a login has given the session back', async (opened) => {
      const { request, store, sessions } = await start(opened)
      const { session, token } = await request()
      const ref = { id: session.id ?? '', userId: null }
      await store.seal(ref, 'a login', 60_000, call())
      session.data.a = 1
      const writing = session.commit()
      await store.seal(ref, 'a login', 0, call())
      await writing
      assert.deepEqual((await sessions.peek(token))?.data, { n: 0, a: 1 })
    })

    on('says that the session has ended, and writes nothing', async (opened) => {
      const { request, store, sessions } = await start(opened)
      const { session, token } = await request()
      const id = session.id ?? ''
      assert.equal(await sessions.destroy(token), true)
      session.data.a = 1
      await assert.rejects(session.commit(), ENDED)
      assert.equal(await store.load(id, null, call()), null)
    })

    on('is a whole commit with more than a thousand of them', async (opened) => {
      const { request, sessions, calls } = await start(opened)
      for (const [count, method] of [
        [1000, 'write'],
        [1001, 'commit'],
        [5000, 'commit'],
      ] as const) {
        const { session, token } = await request()
        calls.length = 0
        for (let i = 0; i < count; i++) session.data[`field${i}`] = count
        await session.commit()
        assert.deepEqual(calls, [method])
        const { data } = (await sessions.peek(token)) ?? assert.fail()
        assert.equal(Object.values(data).filter((value) => value === count).length, count)
      }
    })

    on('keeps the session alive, with no read in between', async (opened) => {
      const idleTimeout = 400
      const attempt = async () => {
        const { request, sessions } = await start(opened, { idleTimeout })
        const { session, token } = await request()
        const begun = performance.now()
        for (let last = begun; last < begun + 3 * idleTimeout; ) {
          session.data.a = last
          const written = await session.commit().then(
            () => true,
            () => false,
          )
          // On a machine that was too busy to write in time, there is nothing to see.
          if (performance.now() - last > 0.8 * idleTimeout) return false
          assert.ok(written, `ended after ${performance.now() - begun} ms`)
          last = performance.now()
          await pause(5)
        }
        assert.equal(await sessions.destroy(token), true)
        return true
      }
      await eventually(attempt)
    })

    on('leaves nothing of a session that is logged out everywhere in the middle of many', async (opened) => {
      const { sessions, request, second } = await start(opened, { userId: 'andrew' })
      const all = await Promise.all(Array.from({ length: 10 }, () => request()))
      let done = false
      const writing = all.map(async ({ session }) => {
        for (let i = 0; !done; i++) {
          session.data.a = i
          await session.commit().catch(({ code }: { code?: string }) => assert.equal(code, ENDED.code))
          await nextTurn()
        }
      })
      await pause(10)
      const others = createSessions<Data>({ store: second, storeTimeout: '10s' })
      assert.equal(await others.user('andrew').revokeAll(), all.length)
      await pause(10)
      done = true
      await Promise.all(writing)
      for (const { token, id } of all) {
        assert.equal(await sessions.peek(token), null)
        assert.equal(await second.load(id, null, call()), null)
      }
      assert.equal(await sessions.count(), 0)
    })
  })
}

/** What may have become of a session that somebody has read. */
const OTHERWISE: Record<string, (store: SessionStore, ref: SessionRef) => Promise<unknown>> = {
  'has ended': (store, ref) => store.destroy(ref, NOTE, call()),
  'has ended, which is remembered': (store, ref) => store.destroy(ref, NOTE, call(), 60_000),
  'has another id': (store, ref) => store.rotate(ref, idBeside(ref), ROTATION, call()),
  'has had another id for long': (store, ref) => store.rotate(ref, idBeside(ref), { ...ROTATION, grace: 0 }, call()),
  'is being taken over by a login': (store, ref) => store.seal(ref, 'a login', 60_000, call()),
  'was being taken over by a login that has died': async (store, ref) => {
    await store.seal(ref, 'a login', 5, call())
    await pause(10)
  },
  'has been adopted by another store': async (store, ref) => {
    await store.seal(ref, 'a login', 60_000, call())
    await store.release(ref, 'a login', { successor: idBeside(ref), ms: 60_000, remember: 0 }, NOTE, call())
  },
}

/** What is to be read under an id, and for how long. */
async function found(store: SessionStore, { id }: SessionRef): Promise<unknown> {
  return [await store.load(id, null, call()), (await store.timeToLive(id, call())) !== null]
}

/** What every index holds of when sessions were accessed and end. */
async function listedBy(store: SessionStore): Promise<unknown> {
  const listed = await store.recent(100, { after: null, fields: [] }, call())
  return listed.map(({ id, lastAccessedAt }) => [id, lastAccessedAt])
}

function fieldsBy(count: number): Map<string, string> {
  return new Map(Array.from({ length: count }, (_, i) => [`field${i}`, String(i)]))
}

/** Requests to a store, and the methods that they call. */
async function start(
  { store, second }: OpenStore,
  { userId, ...options }: { userId?: string } & Pick<SessionsOptions, 'idleTimeout'> = {},
) {
  const calls: string[] = []
  const noted = new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        if (['load', 'write', 'commit'].includes(String(name))) calls.push(String(name))
        return Reflect.apply(method, target, args)
      }
    },
  })
  const sessions = createSessions<Data>({ store: noted, storeTimeout: '10s', cookie: { secure: false }, ...options })
  return {
    store,
    second,
    sessions,
    calls,
    /** A session that a request has just read. */
    async request() {
      const { token, id } = await sessions.create({ n: 0 }, userId === undefined ? {} : { userId })
      const req = {}
      await sessions.openRequest(req, `sid=${token}`)
      return { token, id, session: sessions.of(req) }
    },
  }
}
