import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MountError } from '../../src/index.ts'
import { eventually, parseSetCookie } from '../support/http.ts'
import { type Adapter, basics, open, type Routes } from './app.ts'
import type { Bench } from './bench.ts'

/** A session from its first cookie to its last. */
export function requestsContract(adapter: Adapter, bench: Bench): void {
  describe(`requests on ${adapter.name}`, () => {
    it('lets a visitor pass without a session, and stores nothing', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, { routes: basics })
      const reply = await visitor().get('/seen')
      assert.deepEqual(reply.json, { id: null, ended: false, data: {} })
      assert.deepEqual(reply.cookies, [])
      assert.equal(await sessions.count(), 0)
    })

    it('begins a session at the first write, hands out a token, and knows the session again', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      const begun = await ada.post('/begin')
      assert.match(begun.cookies.join('\n'), /^sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
      const seen = await ada.get('/seen')
      assert.deepEqual(seen.json.data, { name: 'Ada' })
      assert.deepEqual(seen.cookies, [], 'the token is handed out once')
      assert.equal((await sessions.find(seen.json.id))?.data.name, 'Ada')
      assert.deepEqual((await visitor().get('/seen')).json.data, {}, 'nobody else has it')
    })

    it('keeps changes deep inside a value, and forgets removed fields', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'POST /nest': ({ session }) => {
            session.data.nested = { deep: { n: 1 } }
            session.data.note = 'x'
            return {}
          },
          'POST /deepen': ({ session }) => {
            if (session.data.nested) session.data.nested.deep.n = 2
            delete session.data.note
            return {}
          },
        },
      })
      const ada = visitor()
      await ada.post('/nest')
      await ada.post('/deepen')
      assert.deepEqual((await ada.get('/seen')).json.data, { nested: { deep: { n: 2 } } })
    })

    it('has stored a change when the redirect that follows it arrives', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'POST /flash': ({ session }) => {
            session.data.note = 'saved'
            return { redirect: '/seen' }
          },
        },
      })
      const ada = visitor()
      const redirect = await ada.post('/flash')
      assert.equal(redirect.status, 303)
      assert.equal((await ada.get(String(redirect.headers.location))).json.data.note, 'saved')
    })

    it('commits before the answer to HEAD, a 204 and a 304', async (t) => {
      const change = (status: number) => (incoming: Parameters<Routes[string]>[0]) => {
        incoming.session.data.step = status
        return { status, headers: { etag: '"1"' } }
      }
      const { visitor } = await open(t, bench, adapter, {
        routes: { ...basics, '/200': change(200), '/204': change(204), '/304': change(304) },
      })
      const ada = visitor()
      await ada.post('/begin')
      for (const [method, status] of [
        ['HEAD', 200],
        ['GET', 204],
        ['GET', 304],
      ] as const) {
        const reply = await ada.send(`/${status}`, { method })
        assert.equal(reply.status, status)
        assert.equal(reply.headers.etag, '"1"')
        assert.equal(reply.text, '')
        assert.equal((await ada.get('/seen')).json.data.step, status)
      }
    })

    it('answers a HEAD request that begins a session with the cookie', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: { '/begin': basics['POST /begin'] as Routes[string] },
      })
      const reply = await visitor().send('/begin', { method: 'HEAD' })
      assert.equal(reply.status, 200)
      assert.match(reply.cookies.join(), /^sid=/)
    })

    it('leaves the cookies of the application beside its own', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          'POST /begin': ({ session }) => {
            session.data.name = 'Ada'
            return { headers: { 'set-cookie': ['theme=dark', 'lang=en'] }, json: {} }
          },
        },
      })
      const { cookies } = await visitor().post('/begin')
      assert.deepEqual(cookies.map((line) => parseSetCookie(line).name).sort(), ['lang', 'sid', 'theme'])
    })

    it('answers fetch', async (t) => {
      const { visitor, server } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      await ada.post('/begin')
      const response = await fetch(`${server.url}/seen`, { headers: { cookie: ada.cookieHeader } })
      assert.deepEqual(((await response.json()) as { data: unknown }).data, { name: 'Ada' })
    })

    it('says that a session has ended, and leaves its cookie alone', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      await ada.post('/begin')
      const { id } = (await ada.get('/seen')).json
      await sessions.revoke(id)
      const reply = await ada.get('/seen')
      assert.deepEqual(reply.json, { id: null, ended: true, data: {} })
      assert.deepEqual(reply.cookies, [], 'a slow answer to an old token must not clear the cookie of a new one')
    })

    it('begins another session, with another token, for a visitor whose session has ended', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      await ada.post('/begin')
      const old = ada.token
      await sessions.revoke((await ada.get('/seen')).json.id)
      await ada.post('/begin')
      assert.notEqual(ada.token, old)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    it('ends the session and clears the cookie at logout', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      await ada.post('/begin')
      const cookie = ada.cookieHeader
      const reply = await ada.post('/logout')
      assert.match(
        reply.cookies.join('\n'),
        /^sid=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax$/,
      )
      assert.deepEqual((await ada.get('/seen', { cookie })).json, { id: null, ended: true, data: {} })
      assert.equal(await sessions.count(), 0)
    })

    it('begins a new session with a new token when data is written after logout', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'POST /login': async ({ session }) => {
            await session.logout()
            session.data.note = 'signed in'
            return { json: {} }
          },
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const old = ada.cookieHeader
      const reply = await ada.post('/login')
      assert.equal(reply.cookies.length, 1, 'one cookie is set, not one cleared and one set')
      assert.notEqual(ada.cookieHeader, old)
      assert.deepEqual((await ada.get('/seen')).json.data, { note: 'signed in' })
      assert.equal((await ada.get('/seen', { cookie: old })).json.ended, true)
      assert.equal(await sessions.count(), 1)
    })

    it('gives no cookie to a session that begins and ends in one request', async (t) => {
      const { visitor, sessions } = await open(t, bench, adapter, {
        routes: {
          'POST /both': async ({ session }) => {
            session.data.name = 'Ada'
            await session.commit()
            await session.logout()
            return { json: {} }
          },
        },
      })
      const ada = visitor()
      await ada.post('/both')
      assert.equal(ada.token, undefined)
      assert.equal(await sessions.count(), 0)
    })

    it('counts only requests as activity that the touch option lets through', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        sessions: bench.sessions({ touchInterval: 0 }),
        touch: (req) => req.url !== '/poll',
        routes: {
          ...basics,
          'GET /poll': ({ session }) => ({ json: session.lastAccessedAt }),
          'GET /visit': ({ session }) => ({ json: session.lastAccessedAt }),
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const first = (await ada.get('/poll')).json
      for (let i = 0; i < 5; i++) assert.equal((await ada.get('/poll')).json, first)
      await ada.get('/visit')
      let last = first
      while (last === first) last = (await ada.get('/poll')).json
      assert.ok(last > first)
    })

    it('gives no new token, though it is due, to a request that is no activity', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        sessions: bench.sessions({ rotateEvery: 1 }),
        touch: (req) => req.url !== '/poll',
        routes: { ...basics, 'GET /poll': ({ session }) => ({ json: session.id }) },
      })
      const ada = visitor()
      await ada.post('/begin')
      for (let i = 0; i < 5; i++) {
        const { token } = ada
        await eventually(async () => (await ada.get('/seen')).cookies.length === 1)
        assert.notEqual(ada.token, token)
        for (let j = 0; j < 3; j++) assert.deepEqual((await ada.get('/poll')).cookies, [])
      }
    })

    it('serves two sets of sessions on one request, each with its cookie', async (t) => {
      const otherSessions = bench.sessions({ cookie: { secure: false, name: 'admin' } })
      const app = await open(t, bench, adapter, {
        otherSessions,
        routes: {
          'POST /begin': ({ session, request }) => {
            session.data.name = 'Ada'
            otherSessions.of(request).data.name = 'root'
            return { json: {} }
          },
          'GET /seen': ({ session, request }) => ({ json: [session.data.name, otherSessions.of(request).data.name] }),
          'POST /logout': async ({ request }) => {
            await otherSessions.of(request).logout()
            return { json: {} }
          },
          'POST /fail': ({ session, request }) => {
            session.data.name = 'Eve'
            otherSessions.of(request).data.name = 'Eve'
            throw new Error('no')
          },
        },
      })
      const ada = app.visitor()
      await ada.post('/begin')
      assert.deepEqual([...ada.cookies.keys()].sort(), ['admin', 'sid'])
      assert.deepEqual((await ada.get('/seen')).json, ['Ada', 'root'])
      assert.equal((await ada.post('/fail')).status, 500)
      assert.deepEqual((await ada.get('/seen')).json, ['Ada', 'root'], 'what a failed request changed is in neither')
      await ada.post('/logout')
      assert.deepEqual((await ada.get('/seen')).json, ['Ada', null])
    })

    it('says so when it is mounted twice', async (t) => {
      const { visitor, failures } = await open(t, bench, adapter, { mounts: 2, routes: basics })
      assert.equal((await visitor().get('/seen')).status, 500)
      assert.ok(failures[0] instanceof MountError)
      assert.equal(failures[0].code, 'ERR_MOUNT')
      assert.match(failures[0].message, /is mounted twice for this request; mount it once, before the routes/)
    })

    it('says so when it is not mounted', async (t) => {
      const { visitor, failures } = await open(t, bench, adapter, { mounts: 0, routes: basics })
      assert.equal((await visitor().get('/seen')).status, 500)
      assert.ok(failures[0] instanceof MountError)
      assert.equal(failures[0].code, 'ERR_MOUNT')
      assert.match(failures[0].message, /mount the adapter before the route/)
    })

    it('warns once that browsers drop a Secure cookie that came over plain http', async (t) => {
      const { visitor } = await open(t, bench, adapter, { sessions: bench.sessions({ cookie: {} }), routes: basics })
      const warnings = () =>
        bench.heard.filter((said) => (said as { code?: string } | null)?.code === 'COATCHECK_SECURE_COOKIE')
      for (let i = 0; i < 3; i++) {
        const reply = await visitor().post('/begin')
        assert.match(reply.cookies.join('\n'), /^__Host-sid=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
      }
      await eventually(() => warnings().length > 0)
      await new Promise(setImmediate)
      assert.equal(warnings().length, 1)
      assert.match(String(warnings()[0]), /trust proxy/)
    })
  })
}
