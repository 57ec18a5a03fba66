import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import {
  fastifySessions,
  type GuardOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from '../../src/fastify.ts'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type GuardedSite, guardsContract } from '../adapter-contract/guards.ts'
import { serve, Visitor } from '../support/http.ts'
import { listenerOf } from './adapter.ts'

const site: GuardedSite = {
  name: 'Fastify 5',
  async listener({ sessions, others, thrown }) {
    const app = Fastify()
    app.register(fastifySessions(sessions, { serveAsVisitor: () => true }))
    const pass = () => 'let through'
    const onRefused: GuardOptions['onRefused'] = async ({ status, code }, _request, reply: FastifyReply) => {
      await new Promise(setImmediate)
      reply.code(status).type('text/plain').send(`page for ${code}`)
    }
    const toLogin = { onRefused: redirectToLogin('/login') }
    const broken = requireThat(
      (session) => {
        session.data.plan = 'changed'
        throw thrown
      },
      { sessions },
    )
    app.get('/user', { preHandler: requireUser() }, pass)
    app.post('/user', { preHandler: requireUser() }, pass)
    app.get('/office', { preHandler: [requireRole('admin', 'editor')] }, pass)
    app.get('/recent', { preHandler: requireRecentLogin('5m') }, pass)
    app.get('/pro', { preHandler: requireThat((session) => session.data.plan === 'pro', { sessions }) }, pass)
    app.get('/broken', { preHandler: broken }, pass)
    app.get('/account', { preHandler: requireUser(toLogin) }, pass)
    app.post('/account', { preHandler: requireUser(toLogin) }, pass)
    app.get('/desk', { preHandler: requireRole('admin', toLogin) }, pass)
    app.get('/page', { preHandler: requireUser({ onRefused }) }, pass)
    app.get('/lost', { preHandler: requireUser({ sessions: others }) }, pass)
    app.get('/site', { onRequest: sameOrigin() }, pass)
    app.post('/site', { onRequest: sameOrigin() }, pass)
    app.get('/plan', (request) => sessions.of(request).data.plan ?? '')
    return listenerOf(app)
  },
}

guardsContract(site)

describe('guards on Fastify 5', () => {
  it('never let a request through to the handler while the refusal is still on its way', async (t) => {
    const sessions = createSessions({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const app = Fastify()
    app.register(fastifySessions(sessions))
    // A reply counts as sent when it has ended, so this one is not for a while.
    app.addHook('onSend', async (_request, _reply, payload) => {
      await new Promise(setImmediate)
      return Readable.from([String(payload)])
    })
    let handled = 0
    app.get('/', { preHandler: requireUser() }, () => {
      handled++
      return 'let through'
    })
    const visitor = new Visitor(t, await serve(t, await listenerOf(app)))
    const reply = await visitor.get('/')
    assert.deepEqual([reply.status, reply.json], [401, { error: 'Authentication required' }])
    assert.equal((await visitor.get('/')).status, 401)
    assert.equal(handled, 0)
  })

  it('know the types of requests', async (t) => {
    const sessions = createSessions<{ orders: string[] }>({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const app = Fastify()
    app.register(fastifySessions(sessions))
    const own = requireThat<{ orders: string[] }, FastifyRequest<{ Params: { id: string } }>>(
      async (session, request) => session.data.orders?.includes(request.params.id) === true,
    )
    app.get<{ Params: { id: string } }>('/orders/:id', { preHandler: own }, (request) => request.params.id)
    const visitor = new Visitor(t, await serve(t, await listenerOf(app)))
    visitor.cookies.set('sid', (await sessions.create({ orders: ['7'] })).token)
    assert.equal((await visitor.get('/orders/7')).text, '7')
    assert.equal((await visitor.get('/orders/8')).status, 403)
  })

  it('know their own origin behind a proxy that Fastify trusts', async (t) => {
    const headers = { host: 'app.example', 'x-forwarded-proto': 'https', origin: 'https://app.example' }
    for (const trustProxy of [true, false]) {
      const app = Fastify({ trustProxy })
      app.addHook('onRequest', sameOrigin())
      app.post('/', () => 'let through')
      const visitor = new Visitor(t, await serve(t, await listenerOf(app)))
      assert.equal((await visitor.post('/', { headers })).status, trustProxy ? 200 : 403)
    }
  })

  it('have a name', () => {
    assert.equal(requireUser().name, 'requireUser')
  })

  it('fail at start when they are made wrongly', () => {
    for (const make of [
      () => requireRole(...([['admin']] as never as [string])),
      () => requireUser({ onRefused: '/login' as never }),
      () => sameOrigin({ origins: ['*'] }),
    ]) {
      assert.throws(make, { code: 'ERR_CONFIG' })
    }
  })
})
