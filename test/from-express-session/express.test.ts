import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import session from 'express-session'
import { requireRole, requireUser } from '../../src/express.ts'
import { CoatcheckStore } from '../../src/express-session.ts'
import { expressSessionCookie } from '../../src/from-express-session.ts'
import { redisStore } from '../../src/redis.ts'
import { useBench } from '../adapter-contract/bench.ts'
import { openExpress } from '../express/setup.ts'
import { express5 } from '../express/versions.ts'
import { newPrefix } from '../redis/support.ts'
import { call } from '../store-contract.ts'
import { type Scope, serve, Visitor } from '../support/http.ts'
import { SECRET } from './setup.ts'

// The way that a user goes: a session of express-session itself with our Store, then an app of Express 5 with our adapter.

const ROUNDS = 200
const AT_ONCE = 6

describe('a user of express-session who comes to an app on our adapter', { timeout: 120_000 }, () => {
  const bench = useBench()

  async function worlds(scope: Scope) {
    const prefix = newPrefix()
    const oldApp = express5.express()
    oldApp.use(
      session({
        store: new CoatcheckStore({ client: bench.client, prefix }),
        secret: ['the newest', SECRET],
        resave: false,
        saveUninitialized: false,
      }),
    )
    oldApp.post('/login/:user', (req, res) => {
      Object.assign(req.session, { passport: { user: Number(req.params.user) }, roles: ['editor'], name: 'Ada' })
      res.json({})
    })
    oldApp.get('/', (req, res) => {
      res.json({ ...req.session, cookie: undefined })
    })
    const oldServer = await serve(scope, oldApp)

    const store = bench.store()
    // Each instance has a connection of its own.
    const instances = await Promise.all(
      [0, 1].map(async () => {
        const sessions = bench.sessions({
          store,
          adopt: expressSessionCookie<{ passport: { user: number }; roles: string[]; name: string }>({
            store: redisStore(await bench.redis.connect(), { prefix, monitoring: false }),
            secret: ['the newest', SECRET],
            user: ({ passport, roles = [] }) => passport?.user && { userId: String(passport.user), roles },
            data: ({ passport, ...rest }) => rest,
          }),
        })
        return openExpress(scope, bench, express5, {
          sessions,
          after: (app) => {
            app.get('/page', requireUser(), (req, res) => {
              const { id, userId, data } = sessions.of(req)
              res.json({ id, userId, data })
            })
            app.get('/office', requireRole('editor'), (_req, res) => res.json('everything'))
            app.get('/devices', requireUser(), async (req, res) => res.json(await sessions.of(req).devices()))
            app.post('/throws', () => {
              throw new Error('a handler failed')
            })
            app.post('/cannot-be-stored', (req, res) => {
              sessions.of(req).data.name = 1n as never
              res.json({})
            })
            app.post('/logout', async (req, res) => {
              await sessions.of(req).logout()
              res.json({})
            })
          },
        })
      }),
    )
    const old = redisStore(bench.client, { prefix, monitoring: false })
    const [one, other] = instances as [(typeof instances)[0], (typeof instances)[0]]
    return { oldServer, one, other, store, old }
  }

  it(`gets the same session for all of ${AT_ONCE} requests at once, ${ROUNDS} times`, async (t) => {
    const { oldServer, one, other, store, old } = await worlds(t)
    for (let round = 1; round <= ROUNDS; round++) {
      const browser = new Visitor(t, oldServer)
      await browser.post(`/login/${round}`)
      const cookie = browser.cookieHeader
      const visitors = [one.visitor(), other.visitor()]
      const replies = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) => visitors[i % 2]!.get('/page', { cookie })),
      )
      for (const { status, json } of replies) {
        assert.equal(status, 200)
        assert.deepEqual([json.userId, json.data, json.id], [String(round), { name: 'Ada' }, replies[0]?.json.id])
      }
      const cookies = replies.flatMap(({ cookies }) => cookies)
      assert.equal(cookies.length, 1, 'one answer hands out the token')
      assert.match(cookies[0] ?? '', /^sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
    }
    assert.deepEqual(await store.count(call()), { guests: 0, members: ROUNDS })
    assert.deepEqual(await old.count(call()), { guests: 0, members: 0 })
    assert.deepEqual([...one.errors, ...other.errors], [])
  })

  it('passes guards, is among the devices, and is gone for express-session', async (t) => {
    const { oldServer, one, other } = await worlds(t)
    const browser = new Visitor(t, oldServer)
    await browser.post('/login/7')
    const visitor = one.visitor()
    for (const [name, value] of browser.cookies) visitor.cookies.set(name, value)
    assert.equal((await visitor.get('/office', { headers: { 'user-agent': 'curl/8.5.0' } })).status, 200)
    assert.deepEqual([...visitor.cookies.keys()].sort(), ['connect.sid', 'sid'])
    const [device, ...more] = (await visitor.get('/devices')).json
    assert.deepEqual([device.current, more], [true, []])
    // At an instance that is still the old one the user is a stranger.
    assert.deepEqual((await browser.get('/')).json, {})
    await visitor.post('/logout')
    // The other cookie is still there, and dead.
    assert.deepEqual([...visitor.cookies.keys()], ['connect.sid'])
    const late = other.visitor()
    assert.equal((await late.get('/page', { cookie: visitor.cookieHeader })).status, 401)
    assert.equal((await visitor.get('/page')).status, 401)
  })

  for (const path of ['/throws', '/cannot-be-stored']) {
    it(`gets the cookie with the answer to a request that fails, too: ${path}`, async (t) => {
      const { oldServer, one } = await worlds(t)
      const browser = new Visitor(t, oldServer)
      await browser.post('/login/7')
      const visitor = one.visitor()
      const reply = await visitor.post(path, { cookie: browser.cookieHeader })
      assert.deepEqual([reply.status, reply.cookies.length], [500, 1])
      const { json } = await visitor.get('/page')
      assert.deepEqual([json.userId, json.data], ['7', { name: 'Ada' }])
    })
  }

  it('is a visitor with a cookie that is forged', async (t) => {
    const { one } = await worlds(t)
    const reply = await one.visitor().get('/page', { cookie: `connect.sid=s%3Aabc.${'A'.repeat(43)}` })
    assert.deepEqual([reply.status, reply.cookies], [401, []])
  })
})
