import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import {
  type GuardOptions,
  nodeSessions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from '../../src/node.ts'
import { type GuardedSite, guardsContract } from '../adapter-contract/guards.ts'
import { serve, Visitor } from '../support/http.ts'

const site: GuardedSite = {
  name: 'node:http',
  listener({ sessions, others, thrown }) {
    const pass = (_req: IncomingMessage, res: ServerResponse) => res.end('let through')
    const onRefused: GuardOptions['onRefused'] = async ({ status, code }, _req, res) => {
      await new Promise(setImmediate)
      res.writeHead(status).end(`page for ${code}`)
    }
    const toLogin = { onRefused: redirectToLogin('/login') }
    const broken = requireThat(
      (session) => {
        session.data.plan = 'changed'
        throw thrown
      },
      { sessions },
    )
    const routes: Record<string, RequestListener> = {
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
      '/plan': (req, res) => res.end(sessions.of(req).data.plan),
    }
    return nodeSessions(sessions, { onFailure: () => undefined, serveAsVisitor: () => true })((req, res) =>
      routes[new URL(String(req.url), 'http://localhost').pathname]?.(req, res),
    )
  },
}

guardsContract(site)

describe('guards on node:http', () => {
  it('stand one in the other, and all must let pass', async (t) => {
    const sessions = createSessions({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const office = requireUser()(requireRole('admin')((_req, res) => res.end('let through')))
    const visitor = new Visitor(t, await serve(t, nodeSessions(sessions)(office)))
    assert.equal((await visitor.get('/')).status, 401)
    for (const [roles, status] of [
      [[], 403],
      [['admin'], 200],
    ] as const) {
      visitor.cookies.set('sid', (await sessions.create({}, { userId: 'u42', roles })).token)
      assert.equal((await visitor.get('/')).status, status)
    }
  })

  it('know the types of what they stand before', () => {
    const listener = requireUser()((req, res, ...rest) => {
      const [path, status, none]: [string | undefined, number, []] = [req.url, res.statusCode, rest]
      res.end(`${path} ${status} ${none.length}`)
    })
    const server = createServer(sameOrigin()((req, res) => res.end(req.url)))
    assert.deepEqual([listener.name, server.listenerCount('request')], ['requireUser', 1])
  })

  it('know their own origin behind a proxy by what `secure` says', async (t) => {
    const headers = { host: 'app.example', 'x-forwarded-proto': 'https', origin: 'https://app.example' }
    const secure = (req: { headers: IncomingMessage['headers'] }) => req.headers['x-forwarded-proto'] === 'https'
    for (const [guard, status] of [
      [sameOrigin({ secure }), 200],
      [sameOrigin({ origins: ['https://app.example'] }), 200],
      [sameOrigin(), 403],
    ] as const) {
      const visitor = new Visitor(
        t,
        await serve(
          t,
          guard((_req, res) => res.end()),
        ),
      )
      assert.equal((await visitor.post('/', { headers })).status, status)
    }
  })

  it('fail at start when they are made wrongly', () => {
    for (const make of [
      () => requireRole(...([['admin']] as never as [string])),
      () => requireRecentLogin('soon'),
      () => requireThat(undefined as never),
      () => requireUser({ onRefused: '/login' as never }),
      () => sameOrigin({ origins: ['*'] }),
      () => redirectToLogin('//evil.example'),
    ]) {
      assert.throws(make, { code: 'ERR_CONFIG' })
    }
  })
})
