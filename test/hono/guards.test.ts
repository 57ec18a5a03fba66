import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { HTTPException } from 'hono/http-exception'
import {
  type GuardOptions,
  honoSessions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from '../../src/hono.ts'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type GuardedSite, guardsContract } from '../adapter-contract/guards.ts'
import { serve, Visitor } from '../support/http.ts'

const site: GuardedSite = {
  name: 'Hono 4',
  listener({ sessions, others, thrown }) {
    const onRefused: GuardOptions['onRefused'] = async ({ status, code }, c) => {
      await new Promise(setImmediate)
      return c.text(`page for ${code}`, status)
    }
    const toLogin = { onRefused: redirectToLogin('/login') }
    const broken = requireThat(
      (session) => {
        session.data.plan = 'changed'
        throw thrown
      },
      { sessions },
    )
    const app = new Hono()
      .use(honoSessions(sessions, { serveAsVisitor: () => true }))
      .use('/user', requireUser())
      .use('/office', requireRole('admin', 'editor'))
      .use('/recent', requireRecentLogin('5m'))
      .use(
        '/pro',
        requireThat((session) => session.data.plan === 'pro', { sessions }),
      )
      .use('/broken', broken)
      .use('/account', requireUser(toLogin))
      .use('/desk', requireRole('admin', toLogin))
      .use('/page', requireUser({ onRefused }))
      .use('/lost', requireUser({ sessions: others }))
      .use('/site', sameOrigin())
      .get('/plan', (c) => c.text(c.var.session.data.plan ?? ''))
      .all('*', (c) => c.text('let through'))
    app.onError((error, c) => ('getResponse' in error ? (error as HTTPException).getResponse() : c.text('failed', 500)))
    return getRequestListener(app.fetch)
  },
}

guardsContract(site)

describe('guards on Hono 4', () => {
  it('let nobody pass when onRefused forgets its response', async (t) => {
    const sessions = createSessions({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const onRefused = (() => undefined) as never
    let handled = 0
    const app = new Hono().use(honoSessions(sessions)).get('/', requireUser({ onRefused }), (c) => {
      handled++
      return c.text('let through')
    })
    app.onError((error, c) => c.text(error.message, 500))
    const reply = await new Visitor(t, await serve(t, getRequestListener(app.fetch))).get('/')
    assert.deepEqual([reply.status, handled], [500, 0])
    assert.match(reply.text, /onRefused has to return a response/)
  })

  it('know their own origin behind a proxy by what `secure` says', async (t) => {
    const headers = { host: 'app.example', 'x-forwarded-proto': 'https', origin: 'https://app.example' }
    for (const [guard, status] of [
      [sameOrigin({ secure: (c) => c.req.header('x-forwarded-proto') === 'https' }), 200],
      [sameOrigin({ origins: ['https://app.example'] }), 200],
      [sameOrigin(), 403],
    ] as const) {
      const app = new Hono().use(guard).post('/', (c) => c.text('let through'))
      const visitor = new Visitor(t, await serve(t, getRequestListener(app.fetch)))
      assert.equal((await visitor.post('/', { headers })).status, status)
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
