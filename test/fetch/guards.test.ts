import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import {
  fetchSessions,
  type GuardOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from '../../src/fetch.ts'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type GuardedSite, guardsContract } from '../adapter-contract/guards.ts'

const pass = async () => new Response('let through')

const site: GuardedSite = {
  name: 'fetch',
  listener({ sessions, others, thrown }) {
    const onRefused: GuardOptions['onRefused'] = async ({ status, code }) => {
      await new Promise(setImmediate)
      return new Response(`page for ${code}`, { status })
    }
    const toLogin = { onRefused: redirectToLogin('/login') }
    const broken = requireThat(
      (session) => {
        session.data.plan = 'changed'
        throw thrown
      },
      { sessions },
    )
    const routes: Record<string, (request: Request) => Promise<Response>> = {
      '/user': requireUser()(pass),
      '/office': requireRole('admin', 'editor')(pass),
      '/recent': requireRecentLogin('5m')(pass),
      '/pro': requireThat((session) => session.data.plan === 'pro', { sessions })(pass),
      '/broken': broken(pass),
      '/account': requireUser(toLogin)(pass),
      '/desk': requireRole('admin', toLogin)(pass),
      '/page': requireUser({ onRefused })(pass),
      '/lost': requireUser({ sessions: others })(pass),
      '/site': sameOrigin()(pass),
      '/plan': async (request) => new Response(sessions.of(request).data.plan),
    }
    const handler = fetchSessions(sessions, { serveAsVisitor: () => true })(async (request) => {
      const route = routes[new URL(request.url).pathname]
      return route === undefined ? new Response(null, { status: 404 }) : route(request)
    })
    return getRequestListener(handler, { errorHandler: () => new Response(null, { status: 500 }) })
  },
}

guardsContract(site)

describe('guards of fetch handlers', () => {
  it('pass on what the handler gets and returns, whatever it is', async () => {
    const guarded = sameOrigin()((args: { request: Request; params: { id: string } }, more: number) => ({ args, more }))
    const args = { request: new Request('https://app.example/'), params: { id: '7' } }
    assert.deepEqual(await guarded(args, 8), { args, more: 8 })
  })

  it('let nobody pass when onRefused forgets its response', async (t) => {
    const sessions = createSessions({ store: memoryStore() })
    t.after(() => sessions.close())
    let handled = 0
    const handler = fetchSessions(sessions)(
      requireUser({ onRefused: (() => undefined) as never })(async () => {
        handled++
        return new Response('let through')
      }),
    )
    await assert.rejects(handler(new Request('https://app.example/')), /onRefused has to return a response/)
    assert.equal(handled, 0)
  })

  it('may throw their answer, for the error boundary of React Router', async (t) => {
    const sessions = createSessions({ store: memoryStore() })
    t.after(() => sessions.close())
    const onRefused: GuardOptions['onRefused'] = ({ status, error }) => {
      throw new Response(error, { status })
    }
    const loader = fetchSessions(sessions)(
      requireUser({ onRefused })(async (_args: { request: Request }) => new Response('let through')),
    )
    const thrown = await loader({ request: new Request('https://app.example/') }).then(
      () => assert.fail('let through'),
      (error: unknown) => error as Response,
    )
    assert.deepEqual([thrown.status, await thrown.text()], [401, 'Authentication required'])
  })

  it('know their own origin by the host that the browser named, and by what `secure` says', async () => {
    const headers = { host: 'app.example', 'x-forwarded-proto': 'https', origin: 'https://app.example' }
    const request = () => new Request('http://localhost:3000/', { method: 'POST', headers })
    for (const [guard, status] of [
      [sameOrigin({ secure: (req) => req.headers.get('x-forwarded-proto') === 'https' }), 200],
      [sameOrigin({ origins: ['https://app.example'] }), 200],
      [sameOrigin(), 403],
    ] as const) {
      assert.equal((await guard(pass)(request())).status, status)
    }
    const bare = new Request('https://app.example/', { method: 'POST', headers: { origin: 'https://app.example' } })
    assert.equal((await sameOrigin()(pass)(bare)).status, 200)
  })

  it('have a name', () => {
    assert.equal(requireUser()(pass).name, 'requireUser')
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
