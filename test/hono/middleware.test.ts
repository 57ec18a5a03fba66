import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { honoSessions } from '../../src/hono.ts'
import { createSessions, MountError, type Session, type SessionStore, StoreError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { altered } from '../adapter-contract/bench.ts'
import { type Scope, serve, Visitor } from '../support/http.ts'

interface Data {
  name: string
  views: number
  tries: number
}

const MINUTES_20 = 1_200_000
const MINUTES_30 = 1_800_000

function newSessions(scope: Scope, changes: Partial<SessionStore> = {}) {
  const store = altered(memoryStore(), changes)
  const sessions = createSessions<Data>({ store, cookie: { secure: false } })
  scope.after(() => sessions.close())
  return sessions
}

/** Somebody with a session, at an application. */
async function visit(scope: Scope, app: Pick<Hono, 'fetch'>, sessions: ReturnType<typeof newSessions>) {
  const visitor = new Visitor(scope, await serve(scope, getRequestListener(app.fetch)))
  visitor.cookies.set('sid', (await sessions.create({ name: 'Ada' })).token)
  return visitor
}

const away = () => Promise.reject(new StoreError('ERR_STORE_UNAVAILABLE', 'There is no connection to Redis.', 'none'))

describe('a failure in Hono', () => {
  const thrown: Record<string, unknown> = {
    'an error': new Error('no'),
    'an HTTPException': new HTTPException(403, { message: 'no' }),
    'no error': 'no',
  }
  for (const [what, error] of Object.entries(thrown)) {
    it(`discards what a handler has changed that throws ${what}, whatever is answered`, async (t) => {
      const sessions = newSessions(t)
      const app = new Hono()
        .use(async (c, next) => {
          try {
            await next()
          } catch {
            c.res = c.text('friendly')
          }
        })
        .use(honoSessions(sessions))
        .get('/seen', (c) => c.text(String(c.var.session.data.name)))
        .get('/', (c) => {
          c.var.session.data.name = 'Eve'
          throw error
        })
      app.onError((_error, c) => c.text('friendly'))
      const visitor = await visit(t, app, sessions)
      assert.equal((await visitor.get('/')).text, 'friendly')
      assert.equal((await visitor.get('/seen')).text, 'Ada')
    })
  }

  it('leaves what the error handler itself writes, also when it throws the error on', async (t) => {
    const sessions = newSessions(t)
    const routes = new Hono<{ Variables: { session: ReturnType<typeof sessions.of> } }>()
      .get('/', () => {
        throw new Error('no')
      })
      .onError((error, c) => {
        c.var.session.data.name = `after ${error.message}`
        throw error
      })
    const app = new Hono()
      .use(honoSessions(sessions))
      .get('/seen', (c) => c.text(String(c.var.session.data.name)))
      .route('/fails', routes)
    app.onError((_error, c) => c.text('failed', 500))
    const visitor = await visit(t, app, sessions)
    assert.equal((await visitor.get('/fails')).status, 500)
    assert.equal((await visitor.get('/seen')).text, 'after no')
  })

  const uses: Record<string, (session: Session<Data>) => unknown> = {
    'reads the data': ({ data }) => assert.equal(data.name, 'Ada'),
    'writes the data': ({ data }) => Object.assign(data, { views: 1 }),
    'increments a field': (session) => session.increment('views'),
    'increments a field that the handler has changed': (session) => session.increment('tries'),
    'updates the field that the handler has changed': async (session) => {
      await session.update('tries', (tries = 0) => tries + 1)
    },
    'reads the idle timeout': (session) => assert.equal(session.idleTimeout, MINUTES_30),
    'sets the idle timeout': (session) => session.setIdleTimeout('20m'),
    commits: (session) => session.commit(),
    'logs in': (session) => session.login('ada'),
    'answers and nothing else': () => undefined,
  }
  for (const [how, use] of Object.entries(uses)) {
    it(`has discarded the changes when the error handler first ${how}`, async (t) => {
      const sessions = newSessions(t)
      const app = new Hono()
        .use(honoSessions(sessions))
        .get('/seen', (c) => c.json([c.var.session.data, c.var.session.idleTimeout]))
        .get('/', (c) => {
          Object.assign(c.var.session.data, { name: 'Eve', tries: 7 })
          c.var.session.setIdleTimeout('5m')
          throw new Error('no')
        })
      const failures: unknown[] = []
      app.onError(async (_error, c) => {
        try {
          await use(sessions.of(c))
        } catch (failure) {
          failures.push(failure)
        }
        return c.text('failed', 500)
      })
      const visitor = await visit(t, app, sessions)
      assert.equal((await visitor.get('/')).status, 500)
      assert.deepEqual(failures, [])
      const [data, idleTimeout] = (await visitor.get('/seen')).json as [Data, number]
      assert.equal(data.name, 'Ada')
      assert.ok([undefined, 1].includes(data.tries), `tries: ${data.tries}`)
      assert.equal(idleTimeout, how === 'sets the idle timeout' ? MINUTES_20 : MINUTES_30)
    })
  }

  it("is answered by Hono's own error handler with the status of coatcheck's error, on any path", async (t) => {
    const logged = t.mock.method(console, 'error', () => undefined)
    const loading = newSessions(t, { load: away })
    const app = new Hono().use(honoSessions(loading)).get('/', (c) => c.text('let through'))
    const visitor = await visit(t, app, loading)
    for (const path of ['/', '/nowhere']) {
      const reply = await visitor.get(path)
      assert.deepEqual([reply.status, reply.json], [503, { error: 'Session store unavailable' }])
      assert.equal(reply.headers['cache-control'], 'no-store')
    }
    const writing = newSessions(t, { create: away })
    const writer = new Hono().use(honoSessions(writing)).get('/', async (c) => {
      c.var.session.data.name = 'Ada'
      await c.var.session.commit()
      return c.text('written')
    })
    const reply = await new Visitor(t, await serve(t, getRequestListener(writer.fetch))).get('/')
    assert.equal(reply.status, 503)
    assert.equal(logged.mock.callCount(), 0)
  })
})

describe('the middleware for Hono', () => {
  it('gives the session as a variable with a type, of a name to choose', async (t) => {
    const [shop, admin] = [
      newSessions(t),
      createSessions({ store: memoryStore(), cookie: { secure: false, name: 'admin' } }),
    ]
    t.after(() => admin.close())
    const app = new Hono()
      .use(honoSessions(shop))
      .use(honoSessions(admin, { variable: 'office' }))
      .get('/', (c) => {
        const name: string | undefined = c.var.session.data.name
        assert.equal(c.var.session, shop.of(c))
        assert.equal(c.var.office, admin.of(c))
        return c.json({ name, office: c.var.office.id })
      })
    const visitor = await visit(t, app, shop)
    assert.deepEqual((await visitor.get('/')).json, { name: 'Ada', office: null })
  })

  it('says so when the variable is taken, or there is no server of Node', async (t) => {
    const [shop, admin] = [newSessions(t), newSessions(t)]
    const errors: unknown[] = []
    const note = (error: Error, c: Context) => {
      errors.push(error)
      return c.text('failed', 500)
    }
    const taken = new Hono().use(honoSessions(shop)).use(honoSessions(admin))
    taken.onError(note)
    assert.equal((await (await visit(t, taken, shop)).get('/')).status, 500)
    const bare = new Hono().use(honoSessions(shop))
    bare.onError(note)
    assert.equal((await bare.request('/')).status, 500)
    assert.ok(errors.every((error) => error instanceof MountError))
    assert.deepEqual(
      errors.map((error) => /variable|@hono\/node-server/.exec((error as Error).message)?.[0]),
      ['variable', '@hono/node-server'],
    )
  })

  it('keeps the headers and cookies of a response', async (t) => {
    const sessions = newSessions(t)
    const app = new Hono().use(honoSessions(sessions)).get('/', (c) => {
      c.var.session.data.name = 'Bob'
      c.header('x-answer', 'yes')
      c.header('set-cookie', 'a=1', { append: true })
      c.header('set-cookie', 'b=2', { append: true })
      return c.json({ ok: true }, 201)
    })
    const visitor = await visit(t, app, sessions)
    visitor.cookies.clear()
    const reply = await visitor.get('/')
    assert.deepEqual([reply.status, reply.json, reply.headers['x-answer']], [201, { ok: true }, 'yes'])
    assert.deepEqual(
      reply.cookies.map((line) => line.split('=')[0]),
      ['a', 'b', 'sid'],
    )
  })

  it('takes the address from where the application says', async (t) => {
    const sessions = newSessions(t)
    const app = new Hono()
      .use(honoSessions(sessions, { address: (c) => c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() }))
      .post('/login', async (c) => {
        await c.var.session.login('u42')
        return c.json(await c.var.session.devices())
      })
    const visitor = await visit(t, app, sessions)
    const [device] = (await visitor.post('/login', { headers: { 'x-forwarded-for': '10.0.0.1, 203.0.113.9' } })).json
    assert.match(device.ip, /^203\.0\.113\./)
  })
})
