import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Request, Response } from 'express'
import { HeadersSentError, type LoginOptions } from '../../src/index.ts'
import { useBench } from '../adapter-contract/bench.ts'
import { type ExpressApp, openExpress, type SetUp } from '../express/setup.ts'
import { versions } from '../express/versions.ts'
import { deferred, type Scope } from '../support/http.ts'

describe('logins and logouts over HTTP', { timeout: 60_000 }, () => {
  const bench = useBench()

  for (const version of versions) {
    describe(`on ${version.name}`, () => {
      const opened = (t: Scope, { after = () => {}, ...setUp }: Partial<SetUp> = {}): Promise<ExpressApp> =>
        openExpress(t, bench, version, {
          ...setUp,
          after(app, sessions) {
            const route = (path: string, handle: (req: Request, res: Response) => Promise<unknown>) =>
              app.post(path, (req, res, next) => void handle(req, res).catch(next))
            const users = (req: Request) => String(req.query.user ?? 'ada')
            const options = (req: Request): LoginOptions => JSON.parse(String(req.query.options ?? '{}'))
            route('/login', async (req, res) => {
              await sessions.of(req).login(users(req), options(req))
              res.json({ id: sessions.of(req).id })
            })
            route('/logout', async (req, res) => {
              await sessions.of(req).logout()
              res.json({})
            })
            route('/everywhere', async (req, res) => {
              res.json({ ended: await sessions.of(req).revokeAll() })
            })
            app.get('/me', (req, res) => {
              const { userId, roles, data } = sessions.of(req)
              res.json({ userId, roles, data })
            })
            after(app, sessions)
          },
        })

      it('keep the data, hand out a new token, and the one before is dead', async (t) => {
        const { visitor } = await opened(t)
        const ada = visitor()
        await ada.post('/begin')
        const before = ada.cookieHeader
        const reply = await ada.post('/login?options={"roles":["admin"]}')
        assert.equal(reply.status, 200)
        assert.equal(reply.cookies.length, 1)
        assert.doesNotMatch(reply.cookies[0] ?? '', /Max-Age|Expires/i)
        assert.notEqual(ada.cookieHeader, before)
        assert.deepEqual((await ada.get('/me')).json, { userId: 'ada', roles: ['admin'], data: { name: 'Ada' } })
        assert.deepEqual((await ada.get('/me', { cookie: before })).json, { userId: null, roles: [], data: {} })

        const after = ada.cookieHeader
        const out = await ada.post('/logout')
        assert.match(out.cookies[0] ?? '', /^sid=; Max-Age=0;/)
        assert.deepEqual((await ada.get('/me', { cookie: after })).json, { userId: null, roles: [], data: {} })
      })

      it('answer 401 to a request that read the session before a login and commits after it, and write nothing', async (t) => {
        const [loaded, gate] = [deferred(), deferred()]
        const { visitor } = await opened(t, {
          after(app, sessions) {
            app.post('/slow', (req, res, next) => {
              loaded.resolve()
              gate.promise.then(() => {
                sessions.of(req).data.note = 'planted'
                res.set('x-secret', 'said').json({ saved: true })
              }, next)
            })
          },
        })
        const ada = visitor()
        await ada.post('/begin')
        const attacker = visitor()
        const slow = attacker.post('/slow', { cookie: ada.cookieHeader })
        await loaded.promise
        await ada.post('/login')
        gate.resolve()
        const reply = await slow
        assert.equal(reply.status, 401)
        assert.deepEqual(reply.json, { error: 'Session expired' })
        assert.deepEqual([reply.cookies, reply.headers['x-secret']], [[], undefined])
        assert.deepEqual((await ada.get('/me')).json, { userId: 'ada', roles: [], data: { name: 'Ada' } })
      })

      it('with remember keep the cookie until the deadline, also over a rotation, and not over a login without', async (t) => {
        const { visitor, sessions } = await opened(t, {
          after(app, sessions) {
            app.post('/rotate', (req, res, next) => {
              sessions
                .of(req)
                .rotate()
                .then(() => res.json({}), next)
            })
            app.post('/roles', (req, res, next) => {
              sessions
                .of(req)
                .setRoles(['admin'])
                .then(() => res.json({}), next)
            })
          },
        })
        const remember = { idleTimeout: '7d', lifetime: '30d' }
        const ada = visitor()
        await ada.post('/begin')
        const reply = await ada.post(`/login?options=${JSON.stringify({ remember })}`)
        assert.match(reply.cookies[0] ?? '', /; Max-Age=2592000;/)
        const session = (await sessions.load(ada.token ?? '')) ?? assert.fail()
        assert.equal(session.deadline - session.createdAt, 30 * 86_400_000)
        assert.equal(session.idleTimeout, 7 * 86_400_000)

        for (const path of ['/rotate', '/roles']) {
          const rotated = await ada.post(path)
          const maxAge = Number(/; Max-Age=(\d+);/.exec(rotated.cookies[0] ?? '')?.[1])
          const now = (await sessions.load(ada.token ?? '')) ?? assert.fail()
          assert.equal(now.deadline, session.deadline)
          assert.ok(maxAge > 2_592_000 - 60 && maxAge <= 2_592_000, `${path}: ${rotated.cookies}`)
        }
        assert.match(
          (await ada.post(`/login?options=${JSON.stringify({ remember })}`)).cookies[0] ?? '',
          /; Max-Age=2592000;/,
        )
        for (const path of ['/login', '/rotate']) {
          const plain = await ada.post(path)
          assert.equal(plain.cookies.length, 1)
          assert.doesNotMatch(plain.cookies[0] ?? '', /Max-Age/, path)
        }
        const now = (await sessions.load(ada.token ?? '')) ?? assert.fail()
        assert.equal(now.deadline - now.createdAt, 12 * 3_600_000)
      })

      it('are refused once the head has left, with nothing done', async (t) => {
        const errors: unknown[] = []
        const { visitor, sessions } = await opened(t, {
          after(app, sessions) {
            app.post('/late', (req, res) => {
              res.write('begun')
              const session = sessions.of(req)
              void Promise.allSettled([
                session.login('eve'),
                session.logout(),
                session.revokeAll(),
                session.setRoles(['admin']),
                session.rotate(),
              ]).then((outcomes) => {
                for (const outcome of outcomes) errors.push(outcome.status === 'rejected' ? outcome.reason : 'done')
                res.end()
              })
            })
          },
        })
        const ada = visitor()
        await ada.post('/login')
        const { token } = ada
        const reply = await ada.post('/late')
        assert.deepEqual([reply.status, reply.text, reply.cookies], [200, 'begun', []])
        assert.equal(errors.length, 5)
        for (const error of errors) assert.ok(error instanceof HeadersSentError, String(error))
        const session = (await sessions.load(token ?? '')) ?? assert.fail()
        assert.deepEqual([session.userId, session.roles], ['ada', []])
        assert.deepEqual(await sessions.user('eve').list(), [])
      })

      it('that fail tell so by their status, and leave the visitor as before', async (t) => {
        const sessions = bench.sessions({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
        const { visitor } = await opened(t, { sessions })
        const [ada, again] = [visitor(), visitor()]
        await ada.post('/login')
        await again.post('/begin')
        const before = again.cookieHeader
        const reply = await again.post('/login')
        assert.deepEqual([reply.status, reply.cookies], [403, []])
        assert.equal(again.cookieHeader, before)
        assert.deepEqual((await again.get('/me')).json, { userId: null, roles: [], data: { name: 'Ada' } })
      })

      it('hand out the new token also where what came after the login could not be written', async (t) => {
        const store = bench.store(({ commit }) => ({
          commit: (ref, changes, touch, call) =>
            changes.set.has('note') ? Promise.reject(new Error('away')) : commit(ref, changes, touch, call),
        }))
        const { visitor } = await opened(t, {
          sessions: bench.sessions({ store }),
          after(app, sessions) {
            app.post('/login-and-write', (req, res, next) => {
              const session = sessions.of(req)
              session
                .login('ada')
                .then(() => {
                  session.data.note = 'lost'
                  res.json({})
                })
                .catch(next)
            })
          },
        })
        const ada = visitor()
        await ada.post('/begin')
        const reply = await ada.post('/login-and-write')
        assert.deepEqual([reply.status, reply.cookies.length], [500, 1])
        assert.deepEqual((await ada.get('/me')).json, { userId: 'ada', roles: [], data: { name: 'Ada' } })
      })

      it('log out everywhere: every browser of the user, this one too, and nobody else', async (t) => {
        const { visitor } = await opened(t)
        const [phone, laptop, grace] = [visitor(), visitor(), visitor()]
        await Promise.all([phone.post('/login'), laptop.post('/login'), grace.post('/login?user=grace')])
        const known = [phone.cookieHeader, laptop.cookieHeader]
        const reply = await phone.post('/everywhere')
        assert.deepEqual(reply.json, { ended: 2 })
        assert.match(reply.cookies[0] ?? '', /^sid=; Max-Age=0;/)
        for (const cookie of known) assert.equal((await phone.get('/me', { cookie })).json.userId, null)
        assert.equal((await grace.get('/me')).json.userId, 'grace')
        await phone.post('/login')
        assert.equal((await phone.get('/me')).json.userId, 'ada')
      })
    })
  }
})
