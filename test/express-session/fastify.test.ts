import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fastifyCookie from '@fastify/cookie'
import fastifySession, { type FastifySessionOptions } from '@fastify/session'
import Fastify, { type FastifyInstance } from 'fastify'
import type { CoatcheckStore } from '../../src/express-session.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { type Deferred, deferred, eventually, inParallel, serve, Visitor } from '../support/http.ts'
import { startRedis } from '../support/redis-server.ts'
import { newStore, read } from './support.ts'

// @fastify/session copies what the store gives it into an object of its own: what holds there all the same, and what does not.

/** What this application keeps. */
declare module 'fastify' {
  interface Session {
    // biome-ignore lint/suspicious/noExplicitAny: an application's own properties
    [property: string]: any
  }
}

const LOGOUTS = 100
const WIDTH = 20

type Routes = (app: FastifyInstance) => void

/** A Fastify application with @fastify/session on this store, until the test is over. */
async function listen(
  t: TestContext,
  store: CoatcheckStore,
  routes: Routes,
  options: Partial<FastifySessionOptions> = {},
) {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(fastifyCookie)
  const cookie = { secure: false, maxAge: 600_000 }
  await app.register(fastifySession, { store, secret: 'a secret of at least 32 characters', cookie, ...options })
  routes(app)
  await app.ready()
  const server = await serve(t, app.routing)
  return () => new Visitor(t, server)
}

describe('@fastify/session 11 on Fastify 5', () => {
  const redis = useRedis()

  async function open(t: TestContext, routes: Routes, options: Partial<FastifySessionOptions> = {}) {
    const prefix = newPrefix()
    const sent: string[] = []
    const names = new Map(Object.entries(scripts).map(([name, { sha1 }]) => [sha1, name]))
    const store = newStore(redis.client, {
      prefix,
      onCommand: ([name = '', sha1 = '']) => void sent.push(names.get(sha1) ?? name),
    })
    return { prefix, store, sent, visitor: await listen(t, store, routes, options) }
  }

  /** The id of the session that a visitor's cookie is signed for. */
  const sidOf = (visitor: Visitor) => decodeURIComponent(visitor.cookies.get('sessionId') ?? '').replace(/\.[^.]*$/, '')

  it('keeps sessions: begun, changed, saved, regenerated, destroyed', async (t) => {
    const { visitor, store, prefix } = await open(t, (app) => {
      app.post('/begin', async (request) => {
        request.session.set('cart', ['hat'])
        request.session.when = new Date(0)
        request.session.roles = ['user']
        await request.session.save()
        request.session.saved = true
        return {}
      })
      app.post('/change', async (request) => {
        request.session.cart.push('scarf')
        delete request.session.when
        return {}
      })
      app.post('/login', async (request) => {
        await request.session.regenerate(['cart'])
        request.session.user = 'ada'
        return {}
      })
      app.post('/reload', async (request) => {
        const other = await read(store, request.session.sessionId)
        await store.set(request.session.sessionId, Object.assign(other, { other: 1 }))
        await request.session.reload()
        return { other: request.session.other }
      })
      app.post('/logout', async (request) => {
        await request.session.destroy()
        return {}
      })
      app.get('/', async ({ session: { cart, when, roles, saved, user } }) => ({ cart, when, roles, saved, user }))
    })
    const one = visitor()
    await one.post('/begin')
    const guest = sidOf(one)
    assert.deepEqual((await one.get('/')).json, {
      cart: ['hat'],
      when: new Date(0).toJSON(),
      roles: ['user'],
      saved: true,
    })
    await one.post('/change')
    assert.deepEqual((await one.get('/')).json, { cart: ['hat', 'scarf'], roles: ['user'], saved: true })
    await one.post('/login')
    assert.notEqual(sidOf(one), guest)
    assert.equal(await store.get(guest), null)
    assert.deepEqual((await one.get('/')).json, { cart: ['hat', 'scarf'], user: 'ada' })
    assert.deepEqual((await one.post('/reload')).json, { other: 1 })
    const member = sidOf(one)
    await one.post('/logout')
    assert.equal(await store.get(member), null)
    assert.deepEqual((await one.get('/')).json, {})
    await assertConsistent(redis.client, prefix, { monitoring: false })
  })

  it('moves the end of a session with every request, and ends it with its cookie', async (t) => {
    const { visitor, store } = await open(
      t,
      (app) => {
        app.post('/begin', async (request) => {
          request.session.user = 'ada'
          return {}
        })
        app.get('/', async (request) => ({ user: request.session.user ?? null }))
      },
      { cookie: { secure: false, maxAge: 1500 } },
    )
    const one = visitor()
    await one.post('/begin')
    const sid = sidOf(one)
    const expires = async () => new Date((await read(store, sid)).cookie.expires as unknown as string).getTime()
    const before = await expires()
    await eventually(async () => (await one.get('/')).json.user === 'ada' && (await expires()) > before)
    await eventually(async () => (await store.get(sid)) === null)
    assert.equal((await one.get('/')).json.user, null)
  })

  it('costs a read, and then three commands for each session that is saved', async (t) => {
    const { visitor, sent } = await open(t, (app) => {
      app.post('/begin', async (request) => {
        request.session.user = 'ada'
        return {}
      })
      app.get('/', async () => ({}))
    })
    const one = visitor()
    for (let i = 0; i < 2; i++) await one.post('/begin')
    sent.length = 0
    await one.get('/')
    assert.deepEqual(sent, ['HGETALL', 'create', 'HGETALL', 'write'])
  })

  for (const rolling of [true, false]) {
    it(`revives no session after a logout, by slow reads or slow writes (rolling: ${rolling})`, async (t) => {
      const slow = new Map<string, { arrived: Deferred; go: Deferred }>()
      const { visitor, store, prefix } = await open(
        t,
        (app) => {
          app.post('/login', async (request) => {
            request.session.user = 'ada'
            return {}
          })
          app.post('/slow/:kind', async (request) => {
            const { arrived, go } = slow.get(request.session.sessionId) ?? assert.fail()
            arrived.resolve()
            await go.promise
            if ((request.params as { kind: string }).kind === 'write') request.session.late = true
            return {}
          })
          app.post('/logout', async (request) => {
            await request.session.destroy()
            return {}
          })
        },
        { rolling },
      )
      const answers: Record<string, Set<number>> = { read: new Set(), write: new Set() }
      await inParallel(LOGOUTS, WIDTH, async (i) => {
        const kind = i % 2 ? 'read' : 'write'
        const one = visitor()
        await one.post('/login')
        const sid = sidOf(one)
        const [arrived, go] = [deferred(), deferred()]
        slow.set(sid, { arrived, go })
        const late = one.post(`/slow/${kind}`)
        await arrived.promise
        await one.post('/logout')
        go.resolve()
        answers[kind]?.add((await late).status)
        assert.equal(await store.get(sid), null)
      })
      // Whatever was to be saved was refused, which is the answer; with `rolling`, a request that only reads saves too.
      assert.deepEqual(answers, { read: new Set([rolling ? 401 : 200]), write: new Set([401]) })
      assert.equal(await store.length(), 0)
      await assertConsistent(redis.client, prefix, { monitoring: false })
    })
  }

  it('loses what another request has changed between the read and the save of one that ends later', async (t) => {
    const slow = { arrived: deferred(), go: deferred() }
    const { visitor } = await open(t, (app) => {
      app.post('/set/:property/:value', async (request) => {
        const { property, value } = request.params as { property: string; value: string }
        request.session[property] = value
        return {}
      })
      app.post('/slow/:property/:value', async (request) => {
        const { property, value } = request.params as { property: string; value: string }
        slow.arrived.resolve()
        await slow.go.promise
        request.session[property] = value
        return {}
      })
      app.get('/', async ({ session: { left, right, added } }) => ({ left, right, added }))
    })
    const one = visitor()
    await one.post('/set/left/old')
    const late = one.post('/slow/right/new')
    await slow.arrived.promise
    await one.post('/set/left/new')
    await one.post('/set/added/new')
    slow.go.resolve()
    await late
    // As with every other store: the session is saved as a whole, as this request has read it.
    assert.deepEqual((await one.get('/')).json, { left: 'old', right: 'new' })
  })

  it('answers 503 when Redis is gone: it saves before the answer leaves', async (t) => {
    const server = await startRedis()
    t.after(() => server.stop())
    const store = newStore(await server.connect(), { prefix: newPrefix(), storeTimeout: 500 })
    const visitor = await listen(t, store, (app) => {
      app.post('/begin', async (request) => {
        request.session.user = 'ada'
        return {}
      })
      app.post('/change', async (request) => {
        request.session.user = 'grace'
        await server.stop()
        return { saved: 'no' }
      })
    })
    const one = visitor()
    assert.equal((await one.post('/begin')).status, 200)
    assert.equal((await one.post('/change')).status, 503)
    assert.equal((await one.post('/change')).status, 503)
  })
})
