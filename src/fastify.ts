/**
 * Sessions and guards for Fastify 5.
 *
 * @module coatcheck/fastify
 */

import type { ServerResponse } from 'node:http'
import type { FastifyReplyLike, FastifyRequestLike } from './adapters/fastify-guards.ts'
import { RequestFacts, type RequestReader } from './adapters/request-facts.ts'
import { ResponseGate } from './adapters/response-gate.ts'
import { SessionKeeper } from './adapters/session-keeper.ts'
import { mountedOf } from './core/mounted.ts'
import type { RequestState } from './core/request-state.ts'
import type { Sessions } from './core/sessions.ts'

export {
  type FastifyReplyLike,
  type FastifyRequestLike,
  type Guard,
  type GuardOptions,
  type RefusalOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from './adapters/fastify-guards.ts'
export type { NodeRequest, NodeResponse } from './adapters/node-http.ts'
export type { Refusal, RefusalCode } from './core/guards.ts'
export { safeReturnTo } from './core/return-to.ts'
export type { SameOriginOptions } from './core/same-origin.ts'

/** How sessions meet Fastify. */
export interface FastifySessionsOptions {
  /** Whether this request counts as activity. Default: every request does. `false` for a route that polls. */
  touch?(request: FastifyRequestLike): boolean
  /**
   * Whether this request is served as a visitor's if the store fails as its session is read: with empty data, no user,
   * `session.unavailable`, and no write. Asked only then. Default: none is, the answer is 503.
   */
  serveAsVisitor?(request: FastifyRequestLike): boolean
  /** Told of errors that no handler can see any more (a commit that failed after the reply was sent). Default `console.error`. */
  onError?(error: unknown, request: FastifyRequestLike): void
}

type OnRequest = (request: FastifyRequestLike, reply: FastifyReplyLike, done: (error?: Error) => void) => void
type OnError = (request: FastifyRequestLike) => Promise<void>

/** A plugin for `app.register`. Its hooks are for all routes of the instance that registers it. */
export type FastifySessionsPlugin = (
  app: { addHook(name: 'onRequest', hook: OnRequest): unknown; addHook(name: 'onError', hook: OnError): unknown },
  options: object,
  done: () => void,
) => void

/**
 * A Fastify plugin: loads the session of each request, before other hooks can ask for it, and commits its changes before the
 * response leaves. Register it once, where the routes are that need sessions, or above them.
 *
 * When the store is away, a request with a session fails with an error whose `status` is 503. A commit that fails after the
 * handler has answered replaces that answer: 503, or 401 if the session has ended meanwhile.
 *
 * @example await app.register(fastifySessions(sessions))
 */
export function fastifySessions<Data>(
  sessions: Sessions<Data>,
  options: FastifySessionsOptions = {},
): FastifySessionsPlugin {
  const { touch, serveAsVisitor, onError } = options
  const reader: RequestReader<FastifyRequestLike> = { ...framework, touch, serveAsVisitor, onError }
  const onRequest: OnRequest = (request, reply, done) => {
    const client = new RequestFacts(request, reader)
    const go = (state: RequestState) => {
      try {
        new ResponseGate(reply.raw as ServerResponse, new SessionKeeper(state, client))
      } catch (error) {
        return done(error as Error)
      }
      done()
    }
    const opened = sessions.openRequest(request, request.headers.cookie, { client })
    if (opened instanceof Promise) void opened.then(go, done)
    else go(opened)
  }
  // Before any error handler, whatever has failed: a hook, the handler, the making of the reply.
  const onFailure: OnError = async (request) => {
    mountedOf(request, sessions)?.state.discard() // guard: discard in Fastify
  }
  const plugin: FastifySessionsPlugin = (app, _options, done) => {
    app.addHook('onRequest', onRequest)
    app.addHook('onError', onFailure)
    done()
  }
  return Object.assign(plugin, {
    // Else the hooks would be for the plugin's own routes, of which there are none. This is all that fastify-plugin does.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'coatcheck',
    [Symbol.for('plugin-meta')]: { name: 'coatcheck', fastify: '5.x' },
  })
}

/** Behind a proxy, Fastify knows the client's address if it trusts the proxy. */
const framework = {
  userAgent: (request: FastifyRequestLike) => request.headers['user-agent'],
  address: (request: FastifyRequestLike) => request.ip,
  secure: (request: FastifyRequestLike) => request.protocol === 'https',
}
