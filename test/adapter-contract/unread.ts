import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type SessionStore, StoreError } from '../../src/index.ts'
import type { Reply, Scope } from '../support/http.ts'
import { type Adapter, basics, type Incoming, type OpenOptions, open, type Routes } from './app.ts'
import type { Bench, Data } from './bench.ts'

type ToSession = (session: Incoming['session']) => unknown

/** What cannot be done with a session that nobody could read. */
const WRITES: Record<string, ToSession> = {
  'a change': (session) => {
    session.data.name = 'Eve'
  },
  'a removal': (session) => {
    delete session.data.name
  },
  'a removal by undefined': (session) => {
    ;(session.data as { name?: string | undefined }).name = undefined
  },
  'an idle timeout': (session) => session.setIdleTimeout('5m'),
  'a change that is committed': async (session) => {
    session.data.name = 'Eve'
    await session.commit()
  },
  'an increment': (session) => session.increment('views'),
  'an update': (session) => session.update('step', () => undefined),
  'a login': (session) => session.login('eve'),
  'a change of roles': (session) => session.setRoles(['admin']),
  'a rotation': (session) => session.rotate(),
  'a logout': (session) => session.logout(),
  'a list of devices': (session) => session.devices(),
  'a log out everywhere': (session) => session.revokeAll(),
}

/** Requests whose session cannot be read, because the store fails. */
export function unreadContract(adapter: Adapter, bench: Bench): void {
  /** Somebody with a session, in front of a store that stops reading when it is told to. */
  async function arrive(t: Scope, options: Partial<OpenOptions> = {}, more: Routes = {}) {
    const calls: string[] = []
    let failure: Error | null = null
    const store = bench.store(({ load }) => ({
      load: (...args: Parameters<SessionStore['load']>) => {
        calls.push('load')
        return failure === null ? load(...args) : Promise.reject(failure)
      },
    }))
    const sessions = bench.sessions({ store })
    const state: Routes = {
      '/state': ({ session }) => {
        const { unavailable, id, userId, roles, data, ended, requestCount } = session
        return { json: { unavailable, id, userId, roles, data, ended, requestCount } }
      },
    }
    const app = await open(t, bench, adapter, { sessions, routes: { ...basics, ...state, ...more }, ...options })
    const ada = app.visitor()
    await ada.post('/begin')
    await sessions.update(ada.token as string, 'note', () => 'kept')
    return {
      ...app,
      ada,
      calls,
      fail(error: Error | null = new StoreError('ERR_STORE_TIMEOUT', 'The store did not answer.', 'unknown')) {
        failure = error
      },
    }
  }

  function assertUnavailable(reply: Reply): void {
    assert.equal(reply.status, 503)
    assert.equal(reply.headers['retry-after'], '1')
    assert.deepEqual(reply.cookies, [])
  }

  describe(`sessions that cannot be read on ${adapter.name}`, () => {
    it('are answered 503, and when to try again', async (t) => {
      const { ada, fail } = await arrive(t)
      fail()
      assertUnavailable(await ada.get('/state'))
      fail(null)
      assert.deepEqual((await ada.get('/state')).json.data, { name: 'Ada', note: 'kept' })
    })

    it('are served as visitors where the application says so, and say what they are', async (t) => {
      const asked: (string | undefined)[] = []
      const { ada, fail, visitor, errors, failures } = await arrive(t, {
        serveAsVisitor(req) {
          asked.push(new URL(String(req.url), 'http://localhost').pathname)
          return asked.at(-1) === '/state'
        },
      })
      const nobody = { id: null, userId: null, roles: [], data: {}, ended: false, requestCount: 0 }
      fail()
      const reply = await ada.get('/state')
      assert.deepEqual([reply.status, reply.json, reply.cookies], [200, { unavailable: true, ...nobody }, []])
      assert.deepEqual([errors, failures], [[], []])
      assertUnavailable(await ada.get('/seen'))
      // Nobody is asked where nothing has to be read, nor where it can be.
      assert.deepEqual((await visitor().get('/state')).json, { unavailable: false, ...nobody })
      fail(null)
      assert.equal((await ada.get('/state')).json.unavailable, false)
      assert.deepEqual(asked, ['/state', '/seen'])
    })

    it('take no write, and never touch the cookie', async (t) => {
      const routes = Object.fromEntries(
        Object.values(WRITES).map((write, i): [string, Routes[string]] => [
          `/write${i}`,
          async ({ session }) => {
            await write(session)
            return { json: { ok: true } }
          },
        ]),
      )
      const { ada, fail, sessions } = await arrive(t, { serveAsVisitor: () => true }, routes)
      const { token } = ada
      fail()
      for (const [i, what] of Object.keys(WRITES).entries()) {
        const reply = await ada.post(`/write${i}`)
        assert.deepEqual([what, reply.status, reply.headers['retry-after']], [what, 503, '1'])
        assert.deepEqual([what, reply.cookies], [what, []])
      }
      fail(null)
      assert.equal(ada.token, token)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada', note: 'kept' } satisfies Partial<Data>)
      assert.equal(await sessions.count(), 1)
    })

    it('let the handler know, with the error of the store', async (t) => {
      const { ada, fail } = await arrive(
        t,
        { serveAsVisitor: () => true },
        {
          'POST /try': async ({ session }) => {
            const told = await session.increment('views').catch((error) => error.code)
            // Nothing was written to: the response goes.
            return { json: { told } }
          },
        },
      )
      fail()
      assert.deepEqual((await ada.post('/try')).json, { told: 'ERR_STORE_TIMEOUT' })
    })

    it('are served as visitors by nothing but true, and by no other failure', async (t) => {
      let says: unknown = Promise.resolve(true)
      const serveAsVisitor = () => {
        if (says instanceof Error) throw says
        return says as boolean
      }
      const { ada, fail } = await arrive(t, { serveAsVisitor })
      fail()
      assertUnavailable(await ada.get('/state'))
      says = true
      fail(new RangeError('a bug'))
      assert.equal((await ada.get('/state')).status, 500)
      fail()
      assert.equal((await ada.get('/state')).status, 200)
      // What the function throws is the failure of the request.
      says = new Error('broken')
      const broken = await ada.get('/state')
      assert.deepEqual([broken.status, broken.headers['retry-after']], [500, undefined])
    })
  })
}
