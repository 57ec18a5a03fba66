import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Express, NextFunction, Request, Response } from 'express'
import {
  expressSessions,
  type GuardOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from '../../src/express.ts'
import { createSessions, MountError, type SessionStore, type Sessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { altered } from '../adapter-contract/bench.ts'
import { type Ask, type Reply, type Scope, serve, Visitor } from '../support/http.ts'
import { type Version, versions } from './versions.ts'

interface Data {
  plan: string
}

/** Whoever sends a request. */
interface Who {
  readonly userId?: string
  readonly roles?: readonly string[]
  /** How long ago the login was. */
  readonly loginAge?: number
  readonly plan?: string
}

const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8' }
const LOGIN_REQUIRED = { error: 'Authentication required' }

/** Sessions whose users have the roles and the login that a test says. */
function sessionsFor(who: Who, name = 'sid'): Sessions<Data> {
  const store = memoryStore()
  const { roles = [], loginAge } = who
  const told = new Map([['roles', JSON.stringify(roles)]])
  if (loginAge !== undefined) told.set('authenticated_at', String(Date.now() - loginAge))
  const load: SessionStore['load'] = async (...args) => {
    const record = await store.load(...args)
    if (record === null || 'status' in record) return record
    const fields = new Map([...record.fields, ...told])
    // As in a session that is older than this field.
    if (loginAge === undefined) fields.delete('authenticated_at')
    return { ...record, fields }
  }
  return createSessions<Data>({ store: altered(store, { load }), cookie: { secure: false, name } })
}

interface Opened {
  /** Sends a request with the session of `who`. */
  ask(path: string, ask?: Ask): Promise<Reply>
  /** The errors that reached Express's error handlers. */
  readonly errors: unknown[]
}

/** An application whose routes are guarded, and somebody with a session. */
async function open(
  scope: Scope,
  { express }: Version,
  who: Who | null,
  routes: (app: Express, sessions: Sessions<Data>) => void,
): Promise<Opened> {
  const sessions = sessionsFor(who ?? {})
  const errors: unknown[] = []
  const app = express()
  app.use(expressSessions(sessions, { serveAsVisitor: () => true }))
  routes(app, sessions)
  app.use((_req: Request, res: Response) => void res.send('let through'))
  app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    errors.push(error)
    res.status(500).end()
  })
  const visitor = new Visitor(scope, await serve(scope, app))
  scope.after(() => sessions.close())
  if (who !== null) visitor.cookies.set('sid', await begin(sessions, who))
  return { errors, ask: (path, ask) => visitor.send(path, ask) }
}

async function begin(sessions: Sessions<Data>, { userId, plan = 'free' }: Who): Promise<string> {
  return (await sessions.create({ plan }, userId === undefined ? {} : { userId })).token
}

function assertRefused(reply: Reply, status: number, body: object): void {
  assert.deepEqual([reply.status, reply.json], [status, body])
  assert.equal(reply.headers['cache-control'], 'no-store')
  assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
}

for (const version of versions) {
  describe(`a guard on ${version.name}`, () => {
    it('lets users pass, and answers 401 to everybody else', async (t) => {
      const routes = (app: Express) => app.use(requireUser())
      const user = await open(t, version, { userId: 'u42' }, routes)
      assert.equal((await user.ask('/')).text, 'let through')
      for (const who of [null, {}]) {
        const visitor = await open(t, version, who, routes)
        assertRefused(await visitor.ask('/'), 401, LOGIN_REQUIRED)
        assertRefused(await visitor.ask('/', { method: 'POST' }), 401, LOGIN_REQUIRED)
        assert.deepEqual(visitor.errors, [])
      }
    })

    it('stands before a handler, as Express types it', async (t) => {
      const { ask } = await open(t, version, { userId: 'u42', roles: ['editor'] }, (app, sessions) => {
        app.get('/item/:id', requireUser(), requireRole('admin', 'editor', { sessions }), (req, res) => {
          const id: string = req.params.id
          res.json({ id, plan: sessions.of(req).data.plan })
        })
      })
      assert.deepEqual((await ask('/item/7')).json, { id: '7', plan: 'free' })
    })

    it('lets users with one of the roles pass, and answers 403 to others and 401 to visitors', async (t) => {
      const routes = (app: Express) => app.use(requireRole('admin', 'editor'))
      const editor = await open(t, version, { userId: 'u42', roles: ['editor', 'reader'] }, routes)
      assert.equal((await editor.ask('/')).text, 'let through')
      const reader = await open(t, version, { userId: 'u42', roles: ['reader'] }, routes)
      assertRefused(await reader.ask('/'), 403, { error: 'Insufficient permissions' })
      const visitor = await open(t, version, { roles: ['admin'] }, routes)
      assertRefused(await visitor.ask('/'), 401, LOGIN_REQUIRED)
    })

    it('lets pass who has logged in lately, and tells others so', async (t) => {
      const routes = (app: Express) => app.use(requireRecentLogin('5m'))
      const lately = await open(t, version, { userId: 'u42', loginAge: 1000 }, routes)
      assert.equal((await lately.ask('/')).text, 'let through')
      for (const who of [{ userId: 'u42', loginAge: 600_000 }, { userId: 'u42' }]) {
        const longAgo = await open(t, version, who, routes)
        const body = { error: 'Recent login required', code: 'ERR_RECENT_LOGIN_REQUIRED' }
        assertRefused(await longAgo.ask('/'), 401, body)
      }
      const visitor = await open(t, version, { loginAge: 1000 }, routes)
      assertRefused(await visitor.ask('/'), 401, LOGIN_REQUIRED)
    })

    it('lets pass for what a condition holds of the session and the request', async (t) => {
      const { ask } = await open(t, version, { plan: 'pro' }, (app, sessions) => {
        app.use(
          '/pro',
          requireThat((session) => session.data.plan === 'pro', { sessions }),
        )
        app.use(
          '/later',
          requireThat<Data>(async (session) => session.data.plan === 'later'),
        )
        const own = requireThat((session, req: Request) => session.id !== null && req.query.plan === session.data.plan)
        app.use('/own', own)
      })
      assert.equal((await ask('/pro')).text, 'let through')
      assertRefused(await ask('/later'), 403, { error: 'Insufficient permissions' })
      assert.equal((await ask('/own?plan=pro')).text, 'let through')
      assertRefused(await ask('/own?plan=free'), 403, { error: 'Insufficient permissions' })
    })

    it('fails, and lets nobody pass, when the condition throws or rejects, whatever it is with', async (t) => {
      const thrown = [new Error('no'), undefined, null, false, 0, '', 'route', 'router']
      const { ask, errors } = await open(t, version, { userId: 'u42' }, (app) => {
        thrown.forEach((what, i) => {
          const throws = () => {
            throw what
          }
          const rejects = () => Promise.reject(what)
          app.get(`/throws/${i}`, requireThat(throws), (_req, res) => void res.send('let through'))
          app.get(`/rejects/${i}`, requireThat(rejects), (_req, res) => void res.send('let through'))
          app.get(
            `/refuses/${i}`,
            requireRole('admin', { onRefused: throws }),
            (_req, res) => void res.send('let through'),
          )
        })
      })
      for (const [i, what] of thrown.entries()) {
        for (const how of ['throws', 'rejects', 'refuses']) {
          assert.equal((await ask(`/${how}/${i}`)).status, 500, `${how} ${String(what)}`)
          const error = errors.pop() as Error
          assert.equal(i === 0 ? error : error.cause, what)
        }
      }
    })

    it('discards what the request has changed when a condition throws', async (t) => {
      const { ask } = await open(t, version, {}, (app, sessions) => {
        app.get('/seen', (req, res) => void res.json(sessions.of(req).data))
        app.use((req, _res, next) => {
          sessions.of(req).data.plan = 'changed'
          next()
        })
        app.use(
          requireThat(() => {
            throw new Error('no')
          }),
        )
      })
      assert.equal((await ask('/')).status, 500)
      assert.deepEqual((await ask('/seen')).json, { plan: 'free' })
    })

    it('says that the adapter is missing', async (t) => {
      const others = sessionsFor({})
      t.after(() => others.close())
      const { ask, errors } = await open(t, version, { userId: 'u42' }, (app) => {
        app.get('/others', requireUser({ sessions: others }))
      })
      assert.equal((await ask('/others')).status, 500)
      assert.ok(errors[0] instanceof MountError)

      const bare = version.express()
      bare.use(requireUser())
      bare.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
        assert.ok(error instanceof MountError)
        res.send(error.message)
      })
      const reply = await new Visitor(t, await serve(t, bare)).get('/')
      assert.match(
        reply.text,
        /^This request has no session.*before .* the guards, as in app\.use\(expressSessions\(sessions\)\)/,
      )
    })

    it('finds the session with req.session left to others', async (t) => {
      const sessions = sessionsFor({})
      t.after(() => sessions.close())
      const app = version.express()
      app.use(
        expressSessions(sessions, { reqSession: false }),
        requireUser(),
        (_req, res) => void res.send('let through'),
      )
      const visitor = new Visitor(t, await serve(t, app))
      assertRefused(await visitor.get('/'), 401, LOGIN_REQUIRED)
      visitor.cookies.set('sid', await begin(sessions, { userId: 'u42' }))
      assert.equal((await visitor.get('/')).text, 'let through')
    })

    it('looks at the sessions mounted last, or at those that it is given', async (t) => {
      const shop = sessionsFor({})
      const admin = sessionsFor({ roles: ['admin'] }, 'admin')
      t.after(() => Promise.all([shop.close(), admin.close()]))
      const app = version.express()
      app.use(expressSessions(shop), expressSessions(admin, { reqSession: false }))
      const send = (_req: Request, res: Response) => void res.send('let through')
      app.get('/last', requireRole('admin'), send)
      app.get('/shop', requireUser({ sessions: shop }), send)
      app.get('/admin', requireUser({ sessions: admin }), send)
      app.get('/shop/admin', requireRole('admin', { sessions: shop }), send)
      const server = await serve(t, app)

      const customer = new Visitor(t, server)
      customer.cookies.set('sid', await begin(shop, { userId: 'u42' }))
      const root = new Visitor(t, server)
      root.cookies.set('admin', await begin(admin, { userId: 'root' }))
      const statuses = async (who: Visitor) => {
        const replies = await Promise.all(['/last', '/shop', '/admin', '/shop/admin'].map((path) => who.get(path)))
        return replies.map(({ status }) => status)
      }
      assert.deepEqual(await statuses(customer), [401, 200, 401, 403])
      assert.deepEqual(await statuses(root), [200, 401, 200, 401])
    })

    it('leaves the answer to onRefused', async (t) => {
      const onRefused: GuardOptions['onRefused'] = async (refusal, _req, res: Response) => {
        await new Promise(setImmediate)
        res.status(refusal.status).send(`page for ${refusal.code}`)
      }
      const { ask } = await open(t, version, {}, (app) => {
        app.use('/user', requireUser({ onRefused }))
        app.use('/role', requireRole('admin', { onRefused }))
        app.use('/login', requireRecentLogin('5m', { onRefused }))
        app.use(
          '/that',
          requireThat(() => false, { onRefused }),
        )
        app.use('/site', sameOrigin({ onRefused }))
      })
      for (const path of ['/user', '/role', '/login']) {
        const reply = await ask(path)
        assert.deepEqual([reply.status, reply.text], [401, 'page for ERR_LOGIN_REQUIRED'])
      }
      assert.equal((await ask('/that')).text, 'page for ERR_FORBIDDEN')
      const crossSite = await ask('/site', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } })
      assert.equal(crossSite.text, 'page for ERR_CROSS_SITE')
    })

    it('fails at start when it is made wrongly', () => {
      for (const make of [
        () => requireRole(...(['admin', {}, 'editor'] as never as [string])),
        () => requireRole(...([['admin']] as never as [string])),
        () => requireRecentLogin('soon'),
        () => requireThat(undefined as never),
        () => requireUser({ onRefused: '/login' as never }),
        () => sameOrigin({ origins: ['*'] }),
        () => redirectToLogin('login'),
        () => redirectToLogin('//evil.example'),
      ]) {
        assert.throws(make, { code: 'ERR_CONFIG' })
      }
    })

    it('has a name in stack traces', () => {
      assert.deepEqual(
        [requireUser(), requireRole('admin'), requireRecentLogin('5m'), requireThat(() => true), sameOrigin()].map(
          ({ name }) => name,
        ),
        ['requireUser', 'requireRole', 'requireRecentLogin', 'requireThat', 'sameOrigin'],
      )
    })
  })

  describe(`redirectToLogin on ${version.name}`, () => {
    const onRefused = redirectToLogin('/login')
    const guarded = (app: Express) => {
      app.use('/account', requireUser({ onRefused }))
      app.use('/admin', requireRole('admin', { onRefused }))
    }

    it('sends browsers to the login page, with the way back', async (t) => {
      const { ask } = await open(t, version, null, guarded)
      for (const method of ['GET', 'HEAD']) {
        const reply = await ask('/account/orders?page=2&q=a%20b', { method, headers: HTML })
        assert.equal(reply.status, 303)
        assert.equal(reply.headers.location, '/login?return-to=%2Faccount%2Forders%3Fpage%3D2%26q%3Da%2520b')
        assert.equal(reply.headers['cache-control'], 'no-store')
        assert.equal(reply.text, '')
      }
    })

    it('never gives a way to another origin', async (t) => {
      const { ask } = await open(t, version, null, (app) => app.use(requireUser({ onRefused })))
      for (const path of ['//evil.example/', '/\\evil.example', '/.//evil.example', 'http://evil.example/']) {
        assert.equal((await ask(path, { headers: HTML })).headers.location, '/login?return-to=%2F')
      }
    })

    it('answers scripts and forms as ever', async (t) => {
      const { ask } = await open(t, version, null, guarded)
      for (const headers of [
        {},
        { accept: '*/*' },
        { accept: 'application/json' },
        { accept: 'application/json, text/html' },
      ]) {
        assertRefused(await ask('/account', { headers }), 401, LOGIN_REQUIRED)
      }
      assertRefused(await ask('/account', { method: 'POST', headers: HTML }), 401, LOGIN_REQUIRED)
    })

    it('sends nobody to log in whom that does not help', async (t) => {
      const { ask } = await open(t, version, { userId: 'u42' }, guarded)
      assertRefused(await ask('/admin', { headers: HTML }), 403, { error: 'Insufficient permissions' })
    })

    it('sends those to log in again whose login is too old', async (t) => {
      const { ask } = await open(t, version, { userId: 'u42' }, (app) =>
        app.use(requireRecentLogin('5m', { onRefused: redirectToLogin('/login?again=1#form') })),
      )
      const reply = await ask('/password', { headers: HTML })
      assert.equal(reply.headers.location, '/login?again=1&return-to=%2Fpassword#form')
    })
  })

  describe(`sameOrigin on ${version.name}`, () => {
    /** Serves behind `sameOrigin()`, without any session. */
    async function site(t: Scope, guard = sameOrigin(), trustProxy = false): Promise<[Visitor, string]> {
      const app = version.express()
      app.set('trust proxy', trustProxy)
      app.use(guard, (_req, res) => void res.send('let through'))
      const server = await serve(t, app)
      return [new Visitor(t, server), server.url]
    }

    it('refuses what another site has made the browser send', async (t) => {
      const [visitor] = await site(t)
      const body = { error: 'Cross-site request refused' }
      for (const headers of [
        { 'sec-fetch-site': 'cross-site' },
        { origin: 'https://evil.example' },
        { origin: 'null' },
      ]) {
        assertRefused(await visitor.post('/', { headers }), 403, body)
        assert.equal((await visitor.get('/', { headers })).text, 'let through')
      }
    })

    it('lets its own pages and programs pass', async (t) => {
      const [visitor, url] = await site(t)
      for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: url }, {}]) {
        assert.equal((await visitor.post('/', { headers })).text, 'let through')
      }
    })

    it('knows its own origin behind a proxy that Express trusts', async (t) => {
      const headers = { host: 'app.example', 'x-forwarded-proto': 'https', origin: 'https://app.example' }
      for (const trustProxy of [true, false]) {
        const [visitor] = await site(t, sameOrigin(), trustProxy)
        assert.equal((await visitor.post('/', { headers })).status, trustProxy ? 200 : 403)
      }
      const [visitor] = await site(t, sameOrigin({ origins: ['https://app.example'] }))
      assert.equal((await visitor.post('/', { headers })).status, 200)
    })
  })
}
