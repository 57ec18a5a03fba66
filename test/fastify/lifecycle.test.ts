import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { type FastifySessionsOptions, fastifySessions } from '../../src/fastify.ts'
import { createSessions, MountError, type Sessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type Scope, serve, Visitor } from '../support/http.ts'
import { listenerOf } from './adapter.ts'

interface Data {
  name: string
}

type Routes = (app: FastifyInstance, sessions: Sessions<Data>) => void

function newSessions(scope: Scope): Sessions<Data> {
  const sessions = createSessions<Data>({ store: memoryStore(), cookie: { secure: false } })
  scope.after(() => sessions.close())
  return sessions
}

async function open(scope: Scope, routes: Routes, options: FastifySessionsOptions = {}) {
  const sessions = newSessions(scope)
  const app = Fastify()
  app.register(fastifySessions(sessions, options))
  app.get('/seen', (request) => sessions.of(request).data.name ?? 'nobody')
  routes(app, sessions)
  const visitor = new Visitor(scope, await serve(scope, await listenerOf(app)))
  visitor.cookies.set('sid', (await sessions.create({ name: 'Ada' })).token)
  return { app, visitor, sessions }
}

describe('a failure in Fastify', () => {
  const failing: Record<string, Routes> = {
    'of a handler that throws': (app, sessions) =>
      app.get('/', (request) => {
        sessions.of(request).data.name = 'Eve'
        throw new Error('no')
      }),
    'of a handler that rejects with no error': (app, sessions) =>
      app.get('/', async (request) => {
        sessions.of(request).data.name = 'Eve'
        throw 'no'
      }),
    'of a handler that sends an error': (app, sessions) =>
      app.get('/', (request, reply) => {
        sessions.of(request).data.name = 'Eve'
        reply.send(new Error('no'))
      }),
    'of a hook': (app, sessions) => {
      app.addHook('preHandler', async (request) => {
        if (request.url !== '/') return
        sessions.of(request).data.name = 'Eve'
        throw new Error('no')
      })
      app.get('/', () => 'let through')
    },
    'of a hook behind the handler': (app, sessions) => {
      app.addHook('onSend', async (request, reply) => {
        if (request.url === '/' && reply.statusCode === 201) throw new Error('no')
      })
      app.get('/', (request, reply) => {
        sessions.of(request).data.name = 'Eve'
        reply.code(201).send('done')
      })
    },
    'of the schema of a reply': (app, sessions) => {
      const schema = { response: { 200: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } } }
      app.get('/', { schema }, (request) => {
        sessions.of(request).data.name = 'Eve'
        return {}
      })
    },
  }
  for (const [what, routes] of Object.entries(failing)) {
    it(`${what} discards the changes, whatever the error handler answers`, async (t) => {
      const { visitor } = await open(t, (app, sessions) => {
        app.setErrorHandler((_error, _request, reply) =>
          reply.code(200).send('Something went wrong, but look how friendly.'),
        )
        routes(app, sessions)
      })
      assert.match((await visitor.get('/')).text, /friendly/)
      assert.equal((await visitor.get('/seen')).text, 'Ada')
    })
  }

  it('leaves what the error handler itself writes, also when it passes the error on', async (t) => {
    const { visitor } = await open(t, (app, sessions) => {
      app.setErrorHandler((error, request, reply) => {
        sessions.of(request).data.name = `after ${(error as Error).message}`
        return reply.send(error)
      })
      app.get('/', () => {
        throw new Error('no')
      })
    })
    assert.equal((await visitor.get('/')).status, 500)
    assert.equal((await visitor.get('/seen')).text, 'after no')
  })
})

describe('the plugin for Fastify', () => {
  it('serves the instance that registers it, and those below, and no other', async (t) => {
    const sessions = newSessions(t)
    const app = Fastify()
    app.register((shop, _options, done) => {
      shop.register(fastifySessions(sessions))
      shop.get('/shop', (request) => String(sessions.of(request).id))
      shop.register((cart, _cartOptions, cartDone) => {
        cart.get('/shop/cart', (request) => String(sessions.of(request).id))
        cartDone()
      })
      done()
    })
    const failures: unknown[] = []
    app.setErrorHandler((error, _request, reply) => {
      failures.push(error)
      return reply.send(error)
    })
    app.get('/files', (request) => String(sessions.of(request).id))
    const visitor = new Visitor(t, await serve(t, await listenerOf(app)))
    assert.equal((await visitor.get('/shop')).text, 'null')
    assert.equal((await visitor.get('/shop/cart')).text, 'null')
    assert.equal((await visitor.get('/files')).status, 500)
    assert.ok(failures[0] instanceof MountError)
  })

  it('serves hooks, the handler of what is not found, and routes declared before it', async (t) => {
    const { visitor } = await open(t, (app, sessions) => {
      app.addHook('preHandler', async (request, reply) => {
        reply.header('x-name', String(sessions.of(request).data.name))
      })
      app.setNotFoundHandler((request, reply) => {
        sessions.of(request).data.name = 'lost'
        reply.code(404).send('not here')
      })
    })
    const reply = await visitor.get('/nowhere')
    assert.deepEqual([reply.status, reply.text, reply.headers['x-name']], [404, 'not here', 'Ada'])
    assert.equal((await visitor.get('/seen')).text, 'lost')
  })

  it('commits what is sent by reply.raw, with and without hijack', async (t) => {
    const { visitor } = await open(t, (app, sessions) => {
      app.get('/hijacked', (request, reply) => {
        reply.hijack()
        sessions.of(request).data.name = 'hijacked'
        reply.raw.writeHead(200, { 'content-type': 'text/plain' })
        reply.raw.end('raw')
      })
      app.get('/raw', (request, reply) => {
        sessions.of(request).data.name = 'raw'
        reply.raw.end('raw')
      })
    })
    for (const name of ['hijacked', 'raw']) {
      assert.equal((await visitor.get(`/${name}`)).text, 'raw')
      assert.equal((await visitor.get('/seen')).text, name)
    }
  })

  it('leaves the headers of a reply that it does not replace', async (t) => {
    const { visitor } = await open(t, (app, sessions) => {
      app.get('/', (request, reply) => {
        sessions.of(request).data.name = 'Bob'
        return reply.code(201).header('x-answer', 'yes').header('set-cookie', ['a=1', 'b=2']).send({ ok: true })
      })
    })
    visitor.cookies.clear()
    const reply = await visitor.get('/')
    assert.deepEqual([reply.status, reply.json, reply.headers['x-answer']], [201, { ok: true }, 'yes'])
    assert.deepEqual(
      reply.cookies.map((line) => line.split('=')[0]),
      ['a', 'b', 'sid'],
    )
  })

  it('serves what is injected in tests', async (t) => {
    const { app, sessions } = await open(t, (app, sessions) => {
      app.post('/', async (request) => {
        const session = sessions.of(request)
        session.data.name = 'Eve'
        return { id: session.id }
      })
    })
    const { token, id } = await sessions.create({ name: 'Ada' })
    const response = await app.inject({ method: 'POST', url: '/', cookies: { sid: token } })
    assert.deepEqual([response.statusCode, response.json()], [200, { id }])
    assert.equal((await sessions.find(id))?.data.name, 'Eve')
  })

  it('serves http2', async (t) => {
    const sessions = newSessions(t)
    const app = Fastify({ http2: true })
    app.register(fastifySessions(sessions))
    app.get('/', (request) => {
      sessions.of(request).data.name = 'Ada'
      return { ok: true }
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const client = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
    t.after(async () => {
      client.destroy()
      await app.close()
    })
    const stream = client.request({ ':path': '/' })
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    assert.match(String(headers['set-cookie']), /^sid=/)
    assert.equal((await stream.toArray()).join(''), '{"ok":true}')
    assert.equal(await sessions.count(), 1)
  })

  it('knows by the client that Fastify knows whose login it is', async (t) => {
    const sessions = newSessions(t)
    const app = Fastify({ trustProxy: true })
    app.register(fastifySessions(sessions))
    app.post('/login', async (request) => {
      await sessions.of(request).login('u42')
      return sessions.of(request).devices()
    })
    const visitor = new Visitor(t, await serve(t, await listenerOf(app)))
    const [device] = (await visitor.post('/login', { headers: { 'x-forwarded-for': '203.0.113.9' } })).json
    assert.match(device.ip, /^203\.0\.113\./)
  })
})
