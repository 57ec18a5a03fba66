import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, it } from 'node:test'
import { createSessions, type SessionStore, type Sessions, StoreError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type Ask, type Reply, type Scope, serve, Visitor } from '../support/http.ts'
import { altered } from './bench.ts'

/** What sessions hold behind guards. */
interface Plan {
  plan: string
}

/**
 * A framework whose guards stand before routes that answer `let through`:
 *
 * - `/user`: `requireUser()`
 * - `/office`: `requireRole('admin', 'editor')`
 * - `/recent`: `requireRecentLogin('5m')`
 * - `/pro`: `requireThat` the session's plan is `pro`
 * - `/broken`: `requireThat` of a condition that throws what is thrown, after it has set the plan to `changed`
 * - `/account`: `requireUser({ onRefused: redirectToLogin('/login') })`
 * - `/desk`: `requireRole('admin', { onRefused: redirectToLogin('/login') })`
 * - `/page`: `requireUser` with an `onRefused` of its own: the refusal's status, and `page for ` and its code
 * - `/lost`: `requireUser({ sessions: others })`
 * - `/site`: `sameOrigin()`
 *
 * and `/plan` without a guard, which answers the session's plan. Whoever's session cannot be read is served as a visitor.
 */
export interface GuardedSite {
  readonly name: string
  listener(site: {
    readonly sessions: Sessions<Plan>
    /** Mounted on no request. */
    readonly others: Sessions<Plan>
    readonly thrown: unknown
  }): RequestListener | Promise<RequestListener>
}

/** Whoever sends a request. */
interface Who {
  readonly userId?: string
  readonly roles?: readonly string[]
  /** How long ago the login was. */
  readonly loginAge?: number
  readonly plan?: string
  /** The store fails. */
  readonly unread?: boolean
}

const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8' }
const LOGIN_REQUIRED = { error: 'Authentication required' }
const FORBIDDEN = { error: 'Insufficient permissions' }

/** What every framework's guards must do. What they decide by is in test/core/guards.test.ts. */
export function guardsContract(site: GuardedSite): void {
  /** Somebody at the site: `null` has no session. */
  async function visit(scope: Scope, who: Who | null, thrown: unknown = new Error('no')) {
    const { userId, roles = [], loginAge = 0, plan = 'free', unread = false } = who ?? {}
    const store = memoryStore()
    const load: SessionStore['load'] = async (...args) => {
      if (unread) throw new StoreError('ERR_STORE_UNAVAILABLE', 'There is no connection.', 'none')
      const record = await store.load(...args)
      if (record === null || 'status' in record || loginAge === 0) return record
      const at = String(Number(record.fields.get('authenticated_at')) - loginAge)
      return { ...record, fields: new Map([...record.fields, ['authenticated_at', at]]) }
    }
    const sessions = createSessions<Plan>({ store: altered(store, { load }), cookie: { secure: false } })
    const others = createSessions<Plan>({ store: memoryStore(), cookie: { secure: false, name: 'other' } })
    const server = await serve(scope, await site.listener({ sessions, others, thrown }))
    const visitor = new Visitor(scope, server)
    scope.after(() => Promise.all([sessions.close(), others.close()]))
    if (who !== null) {
      const { token } = await sessions.create({ plan }, userId === undefined ? {} : { userId, roles })
      visitor.cookies.set('sid', token)
    }
    const ask = (path: string, more: Ask = {}) => visitor.send(path, more)
    return { ask, url: server.url }
  }

  function assertRefused(reply: Reply, status: number, body: object): void {
    assert.deepEqual([reply.status, reply.json], [status, body])
    assert.equal(reply.headers['cache-control'], 'no-store')
    assert.match(String(reply.headers['content-type']), /^application\/json/)
  }

  describe(`guards on ${site.name}`, () => {
    it('let users pass, and answer 401 to everybody else', async (t) => {
      const user = await visit(t, { userId: 'u42' })
      assert.equal((await user.ask('/user')).text, 'let through')
      for (const who of [null, {}]) {
        const visitor = await visit(t, who)
        assertRefused(await visitor.ask('/user'), 401, LOGIN_REQUIRED)
        assertRefused(await visitor.ask('/user', { method: 'POST' }), 401, LOGIN_REQUIRED)
      }
    })

    it('let users with one of the roles pass, and answer 403 to others and 401 to visitors', async (t) => {
      const editor = await visit(t, { userId: 'u42', roles: ['editor', 'reader'] })
      assert.equal((await editor.ask('/office')).text, 'let through')
      const reader = await visit(t, { userId: 'u42', roles: ['reader'] })
      assertRefused(await reader.ask('/office'), 403, FORBIDDEN)
      assertRefused(await (await visit(t, {})).ask('/office'), 401, LOGIN_REQUIRED)
    })

    it('let pass who has logged in lately, and tell others so', async (t) => {
      const lately = await visit(t, { userId: 'u42', loginAge: 1000 })
      assert.equal((await lately.ask('/recent')).text, 'let through')
      const longAgo = await visit(t, { userId: 'u42', loginAge: 600_000 })
      const body = { error: 'Recent login required', code: 'ERR_RECENT_LOGIN_REQUIRED' }
      assertRefused(await longAgo.ask('/recent'), 401, body)
      assertRefused(await (await visit(t, {})).ask('/recent'), 401, LOGIN_REQUIRED)
    })

    it('let pass for what a condition holds', async (t) => {
      assert.equal((await (await visit(t, { plan: 'pro' })).ask('/pro')).text, 'let through')
      assertRefused(await (await visit(t, { plan: 'free' })).ask('/pro'), 403, FORBIDDEN)
    })

    for (const thrown of [new Error('no'), undefined, null, false, 0, '', 'route']) {
      it(`let nobody pass when a condition throws ${thrown === '' ? "''" : thrown}, and discard what it has changed`, async (t) => {
        const { ask } = await visit(t, { plan: 'free' }, thrown)
        assert.equal((await ask('/broken')).status, 500)
        assert.equal((await ask('/plan')).text, 'free')
      })
    }

    it('fail when the sessions that they guard are not mounted', async (t) => {
      const { ask } = await visit(t, { userId: 'u42' })
      assert.equal((await ask('/lost')).status, 500)
    })

    it('answer 503 to whom nobody knows, because the session could not be read', async (t) => {
      const { ask } = await visit(t, { userId: 'u42', roles: ['admin'], plan: 'pro', unread: true })
      for (const path of ['/user', '/office', '/recent', '/pro', '/account', '/desk', '/page']) {
        const reply = await ask(path, { headers: HTML })
        assert.deepEqual([path, reply.status, reply.headers['retry-after']], [path, 503, '1'])
        assert.deepEqual([reply.headers.location, reply.cookies], [undefined, []])
      }
      assert.equal((await ask('/plan')).status, 200)
      assert.equal((await ask('/site', { method: 'POST' })).text, 'let through')
    })

    it('leave the answer to onRefused', async (t) => {
      const { ask } = await visit(t, null)
      const reply = await ask('/page')
      assert.deepEqual([reply.status, reply.text], [401, 'page for ERR_LOGIN_REQUIRED'])
    })

    it('send browsers to the login page, with the way back', async (t) => {
      const { ask } = await visit(t, null)
      for (const method of ['GET', 'HEAD']) {
        const reply = await ask('/account?page=2&q=a%20b', { method, headers: HTML })
        assert.equal(reply.status, 303)
        assert.equal(reply.headers.location, '/login?return-to=%2Faccount%3Fpage%3D2%26q%3Da%2520b')
        assert.equal(reply.headers['cache-control'], 'no-store')
        assert.equal(reply.text, '')
      }
    })

    it('answer scripts and forms as ever, and those whom a login does not help', async (t) => {
      const { ask } = await visit(t, null)
      for (const headers of [
        {},
        { accept: '*/*' },
        { accept: 'application/json' },
        { accept: 'application/json, text/html' },
        { accept: 'text/html;q=0.5, application/json' },
        { accept: 'text/html;q=0' },
      ]) {
        assertRefused(await ask('/account', { headers }), 401, LOGIN_REQUIRED)
      }
      assertRefused(await ask('/account', { method: 'POST', headers: HTML }), 401, LOGIN_REQUIRED)
      const user = await visit(t, { userId: 'u42' })
      assertRefused(await user.ask('/desk', { headers: HTML }), 403, FORBIDDEN)
    })

    it('refuse what another site has made the browser send', async (t) => {
      const { ask, url } = await visit(t, null)
      for (const headers of [
        { 'sec-fetch-site': 'cross-site' },
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: url.replace('http:', 'https:') },
      ]) {
        assertRefused(await ask('/site', { method: 'POST', headers }), 403, { error: 'Cross-site request refused' })
        assert.equal((await ask('/site', { headers })).text, 'let through')
      }
      for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: url }, {}]) {
        assert.equal((await ask('/site', { method: 'POST', headers })).text, 'let through')
      }
    })
  })
}
