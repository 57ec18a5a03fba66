import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CoatcheckError, type SessionStore, StoreError } from '../../src/index.ts'
import { eventually } from '../support/http.ts'
import { type Adapter, basics, type Handler, open } from './app.ts'
import type { Bench } from './bench.ts'

const unavailable = () => new StoreError('ERR_STORE_UNAVAILABLE', 'There is no connection to Redis.', 'none')

/** An answer that must not reach a client whose change was not stored. */
const success: Handler = ({ session }) => {
  session.data.note = 'changed'
  return { status: 201, headers: { 'x-answer': 'yes', etag: '"1"', 'set-cookie': 'theme=dark' }, json: { ok: true } }
}

/** What becomes of changes when a handler, the session or the store fails. */
export function failuresContract(adapter: Adapter, bench: Bench): void {
  describe(`failures on ${adapter.name}`, () => {
    it('discards the changes of a handler that throws, and answers with the status of the error', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'POST /throw': ({ session }) => {
            session.data.name = 'Eve'
            session.setIdleTimeout('5m')
            throw Object.assign(new Error('no such page'), { status: 404 })
          },
          'POST /reject': async ({ session }) => {
            session.data.name = 'Eve'
            await new Promise(setImmediate)
            throw new Error('broken')
          },
          'GET /timeout': ({ session }) => ({ json: session.idleTimeout }),
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      assert.equal((await ada.post('/throw')).status, 404)
      assert.equal((await ada.post('/reject')).status, 500)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
      assert.equal((await ada.get('/timeout')).json, 30 * 60_000)
    })

    it('begins no session for a handler that throws', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, {
        routes: {
          'POST /throw': ({ session }) => {
            session.data.name = 'Eve'
            throw new Error('broken')
          },
        },
      })
      const reply = await visitor().post('/throw')
      assert.deepEqual([reply.status, reply.cookies], [500, []])
      assert.equal(await sessions.count(), 0)
    })

    it('keeps what was committed before the handler threw, and hands out its cookie', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'POST /throw': async ({ session }) => {
            session.data.name = 'Ada'
            await session.commit()
            session.data.name = 'Eve'
            throw new Error('broken')
          },
        },
      })
      const ada = visitor()
      assert.equal((await ada.post('/throw')).status, 500)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    it('keeps the changes of a handler that means its 4xx or 5xx', async (t) => {
      const answer = (status: number): Handler => {
        return ({ session }) => {
          session.data.step = status
          return { status, json: { status } }
        }
      }
      const { visitor } = await open(t, bench, adapter, {
        routes: { ...basics, '/401': answer(401), '/422': answer(422), '/500': answer(500), '/503': answer(503) },
      })
      const ada = visitor()
      for (const status of [401, 422, 500, 503]) {
        const reply = await ada.post(`/${status}`)
        assert.deepEqual([reply.status, reply.json], [status, { status }])
        assert.equal((await ada.get('/seen')).json.data.step, status)
      }
    })

    it('answers 503 in place of everything the handler said when the commit fails', async (t) => {
      let failing = false
      const store = bench.store(({ commit }) => ({
        commit: (...args: Parameters<SessionStore['commit']>) =>
          failing ? Promise.reject(unavailable()) : commit(...args),
      }))
      const { visitor, errors } = await open(t, bench, adapter, {
        sessions: bench.sessions({ store }),
        routes: { ...basics, 'POST /change': success },
      })
      const ada = visitor()
      await ada.post('/begin')
      failing = true
      const reply = await ada.post('/change')
      assert.deepEqual([reply.status, reply.json], [503, { error: 'Session store unavailable' }])
      assert.deepEqual(
        Object.keys(reply.headers)
          .filter((name) => !['date', 'connection', 'keep-alive'].includes(name))
          .sort(),
        ['cache-control', 'content-length', 'content-type', 'retry-after'],
      )
      assert.equal(reply.headers['cache-control'], 'no-store')
      assert.equal(reply.headers['retry-after'], '1')
      assert.deepEqual(
        errors.map((error) => (error as CoatcheckError).code),
        ['ERR_STORE_UNAVAILABLE'],
      )
      failing = false
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    it('answers 500 to an error of the store that is none of ours, and says nothing of it', async (t) => {
      const bug = new RangeError('secret 42 is out of range')
      const store = bench.store(() => ({ create: () => Promise.reject(bug) }))
      const { visitor, errors } = await open(t, bench, adapter, { sessions: bench.sessions({ store }), routes: basics })
      const reply = await visitor().post('/begin')
      assert.deepEqual([reply.status, reply.cookies, reply.json], [500, [], { error: 'Internal server error' }])
      assert.deepEqual(errors, [bug])
    })

    it('answers with the status of an error that it has no words for', async (t) => {
      const store = bench.store(() => ({ create: () => Promise.reject(new CoatcheckError('ERR_LATER', 'later', 507)) }))
      const { visitor } = await open(t, bench, adapter, { sessions: bench.sessions({ store }), routes: basics })
      const reply = await visitor().post('/begin')
      assert.deepEqual([reply.status, reply.json], [507, { error: 'Internal server error' }])
    })

    it('answers 503 when a session cannot begin, and hands out no cookie', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        sessions: bench.sessions({ store: bench.store(() => ({ create: () => Promise.reject(unavailable()) })) }),
        routes: basics,
      })
      const reply = await visitor().post('/begin')
      assert.deepEqual([reply.status, reply.cookies, reply.json], [503, [], { error: 'Session store unavailable' }])
    })

    it('drops a body that streams when the commit fails', async (t) => {
      let produced = 0
      const create = async () => {
        // Where nobody reads before the commit is done, a body still begins to fill its buffer.
        await eventually(() => produced > 0)
        throw unavailable()
      }
      const { visitor } = await open(t, bench, adapter, {
        sessions: bench.sessions({ store: bench.store(() => ({ create })) }),
        routes: {
          'GET /stream': ({ session }) => {
            session.data.name = 'Ada'
            return { body: chunks(100, () => produced++) }
          },
        },
      })
      const reply = await visitor().get('/stream')
      assert.deepEqual([reply.status, reply.json], [503, { error: 'Session store unavailable' }])
      assert.ok(produced > 0)
    })

    it('answers 401 when the session has ended meanwhile and there are changes', async (t) => {
      const { visitor, sessions, errors } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'POST /late': async (incoming) => {
            await sessions.revoke(String(incoming.session.id))
            return success(incoming)
          },
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const reply = await ada.post('/late')
      assert.deepEqual([reply.status, reply.json, reply.cookies], [401, { error: 'Session expired' }, []])
      assert.equal(reply.headers['x-answer'], undefined)
      assert.deepEqual(
        errors.map((error) => (error as CoatcheckError).code),
        ['ERR_SESSION_ENDED'],
      )
      assert.equal(await sessions.count(), 0)
    })

    it('says nothing when the session has ended meanwhile and only a touch was due', async (t) => {
      const sessions = bench.sessions({ touchInterval: 0 })
      const { visitor, errors } = await open(t, bench, adapter, {
        sessions,
        routes: {
          ...basics,
          'GET /late': async ({ session }) => {
            await sessions.revoke(String(session.id))
            return { json: session.data }
          },
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const reply = await ada.get('/late')
      assert.deepEqual([reply.status, reply.json, reply.cookies, errors], [200, { name: 'Ada' }, [], []])
      assert.equal(await sessions.count(), 0)
    })

    it('answers 500 to a value that cannot be stored, and loses nothing', async (t) => {
      const unstorable: [string, (data: Record<string, unknown>) => void][] = [
        ['a function', (data) => (data.note = () => 1)],
        ['a cycle', (data) => (data.nested = Object.assign(data, { self: data }))],
        ['NaN', (data) => (data.step = Number.NaN)],
        ['a reserved name', (data) => (data.deadline = 1)],
      ]
      const { visitor, errors } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          ...Object.fromEntries(
            unstorable.map(([what, store]) => [
              `/${encodeURI(what)}`,
              ({ session }: Parameters<Handler>[0]) => {
                session.data.name = 'Eve'
                store(session.data as Record<string, unknown>)
                return { json: {} }
              },
            ]),
          ),
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      for (const [what] of unstorable) {
        const reply = await ada.post(`/${encodeURI(what)}`)
        assert.deepEqual([reply.status, reply.json], [500, { error: 'Internal server error' }], what)
        assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' }, what)
      }
      assert.deepEqual(
        errors.map((error) => (error as CoatcheckError).code),
        ['ERR_FIELD_VALUE', 'ERR_FIELD_VALUE', 'ERR_FIELD_VALUE', 'ERR_FIELD_RESERVED'],
      )
    })

    it('gives the browser its new token even if what follows the rotation cannot be stored', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        sessions: bench.sessions({ rotationGrace: 0 }),
        routes: {
          ...basics,
          'POST /rotate': async ({ session }) => {
            await session.rotate()
            session.data.step = Number.NaN
            return { json: {} }
          },
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const old = ada.token
      assert.equal((await ada.post('/rotate')).status, 500)
      assert.notEqual(ada.token, old)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })
  })
}

async function* chunks(count: number, onChunk: () => void, size = 1000): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    onChunk()
    yield Buffer.alloc(size, i % 256)
  }
}
