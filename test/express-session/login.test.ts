import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import flash from 'connect-flash'
import type { Request } from 'express'
import { Passport, Strategy } from 'passport'
import { newPrefix, useRedis } from '../redis/support.ts'
import { type App, openApp, sidOf } from './apps.ts'
import { newStore, read } from './support.ts'

// The packages that applications put on top of express-session: passport's logins and logouts, and messages of connect-flash.

/** Believes who says so. */
class Trusting extends Strategy {
  override name = 'trusting'

  override authenticate(req: Request): void {
    const { user } = req.query
    if (typeof user === 'string') this.success({ id: user })
    else this.fail(401)
  }
}

describe('passport 0.7 and connect-flash', () => {
  const redis = useRedis()

  async function open(t: TestContext, options = {}): Promise<App & { store: ReturnType<typeof newStore> }> {
    const store = newStore(redis.client, { prefix: newPrefix() })
    const passport = new Passport()
    passport.use(new Trusting())
    passport.serializeUser((user, done) => done(null, (user as { id: string }).id))
    passport.deserializeUser((id: string, done) => done(null, { id }))
    const opened = await openApp(
      t,
      store,
      (app) => {
        app.use(passport.initialize(), passport.session(), flash())
        app.post('/cart', (req, res) => {
          req.session.cart = ['hat']
          res.end()
        })
        app.post('/login', passport.authenticate('trusting'), (req, res) => {
          req.flash('info', 'Welcome')
          res.end()
        })
        app.post('/login-keeping', passport.authenticate('trusting', { keepSessionInfo: true }), (_req, res) => {
          res.end()
        })
        app.post('/login-by-flash', passport.authenticate('trusting', { failureRedirect: '/', failureFlash: 'No.' }))
        app.post('/logout', (req, res, next) => {
          req.logout((error) => (error ? next(error) : res.end()))
        })
        app.get('/', (req, res) => {
          res.json({
            user: req.user ?? null,
            cart: req.session.cart ?? null,
            told: req.flash('info'),
            no: req.flash('error'),
          })
        })
      },
      options,
    )
    return { ...opened, store }
  }

  it('log in with a new session id and out again, and the old ids are over', async (t) => {
    for (const options of [{}, { resave: true, saveUninitialized: true, rolling: true }]) {
      const { visitor, store, errors } = await open(t, options)
      const one = visitor()
      await one.post('/cart')
      const [guest, guestCookie] = [sidOf(one), one.cookieHeader]
      assert.equal((await one.post('/login?user=ada')).status, 200)
      const [member, memberCookie] = [sidOf(one), one.cookieHeader]
      assert.notEqual(member, guest)
      assert.deepEqual((await one.get('/')).json, { user: { id: 'ada' }, cart: null, told: ['Welcome'], no: [] })
      // A message is told once.
      assert.deepEqual((await one.get('/')).json.told, [])
      assert.equal(await store.get(guest), null)
      assert.equal((await one.get('/', { cookie: guestCookie })).json.user, null)

      assert.equal((await one.post('/logout', { cookie: memberCookie })).status, 200)
      assert.equal(await store.get(member), null)
      assert.equal((await one.get('/', { cookie: memberCookie })).json.user, null)
      assert.deepEqual(errors, [])
    }
  })

  it('keep what the visitor had, where that is asked for', async (t) => {
    const { visitor, store, errors } = await open(t)
    const one = visitor()
    await one.post('/cart')
    await one.post('/login-keeping?user=ada')
    const { user, cart } = (await one.get('/')).json
    assert.deepEqual({ user, cart }, { user: { id: 'ada' }, cart: ['hat'] })
    assert.deepEqual((await read(store, sidOf(one))).passport, { user: 'ada' })
    assert.deepEqual(errors, [])
  })

  it('tell why a login was refused', async (t) => {
    const { visitor, errors } = await open(t)
    const one = visitor()
    assert.equal((await one.post('/login')).status, 401)
    assert.equal((await one.post('/login-by-flash')).headers.location, '/')
    assert.deepEqual((await one.get('/')).json.no, ['No.'])
    assert.deepEqual((await one.get('/')).json.no, [])
    assert.deepEqual(errors, [])
  })
})
