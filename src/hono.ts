/**
 * Sessions and guards for Hono 4 on Node, by `@hono/node-server`.
 *
 * @module coatcheck/hono
 */

import type { ServerResponse } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import { HonoFacts, makeAnswerable } from './adapters/hono-errors.ts'
import { isEncrypted, type NodeRequest, type NodeResponse } from './adapters/node-http.ts'
import type { RequestReader } from './adapters/request-facts.ts'
import { ResponseGate } from './adapters/response-gate.ts'
import { SessionKeeper } from './adapters/session-keeper.ts'
import { MountError } from './core/errors.ts'
import type { RequestState } from './core/request-state.ts'
import type { Session } from './core/session.ts'
import type { Sessions } from './core/sessions.ts'

export {
  type GuardOptions,
  type HonoSameOriginOptions,
  type RefusalOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from './adapters/hono-guards.ts'
export type { Refusal, RefusalCode } from './core/guards.ts'
export { safeReturnTo } from './core/return-to.ts'
export type { SameOriginOptions } from './core/same-origin.ts'

/** How sessions meet Hono. */
export interface HonoSessionsOptions<Name extends string = 'session'> {
  /** Under which name of `c.var` the session is, typed. Default `session`. */
  variable?: Name
  /** Whether this request counts as activity. Default: every request does. `false` for a route that polls. */
  touch?: (c: Context) => boolean
  /**
   * Whether this request is served as a visitor's if the store fails as its session is read: with empty data, no user,
   * `session.unavailable`, and no write. Asked only then. Default: none is, the answer is 503.
   */
  serveAsVisitor?: (c: Context) => boolean
  /** Whether a request came over https, for a server behind a proxy that ends TLS. Default: what its connection tells. */
  secure?: (c: Context) => boolean
  /** The client's address, for a server behind a proxy. Default: that of the connection. */
  address?: (c: Context) => string | undefined
  /** Told of errors that no handler can see any more (a commit that failed after the response was returned). Default `console.error`. */
  onError?: (error: unknown, c: Context) => void
}

/**
 * Hono middleware: loads the session of each request, and commits its changes before the response leaves. Mount it once,
 * before the routes. The session is `c.var.session`, and `sessions.of(c)`.
 *
 * When the store is away, a request with a session fails with an error that is answered 503. A commit that fails after the
 * handler has answered replaces that answer: 503, or 401 if the session has ended meanwhile.
 *
 * @example const app = new Hono().use(honoSessions(sessions))
 */
export function honoSessions<Data, Name extends string = 'session'>(
  sessions: Sessions<Data>,
  options: HonoSessionsOptions<Name> = {},
): MiddlewareHandler<{ Variables: Record<Name, Session<Data>> }> {
  const { variable = 'session', secure, address, touch, serveAsVisitor, onError } = options
  const reader: RequestReader<Context> = {
    userAgent: (c) => bindingsOf(c).incoming.headers['user-agent'],
    address: address ?? ((c) => bindingsOf(c).incoming.socket.remoteAddress),
    secure: secure ?? ((c) => isEncrypted(bindingsOf(c).incoming)),
    touch,
    serveAsVisitor,
    onError,
  }
  makeAnswerable()
  return async function coatcheckSessions(c: Context, next) {
    const { incoming, outgoing } = bindingsOf(c)
    const client = new HonoFacts(c, reader)
    let state: RequestState | undefined
    try {
      const opened = sessions.openRequest(c, incoming.headers.cookie, { client })
      state = opened instanceof Promise ? await opened : opened
      if (c.get(variable) !== undefined) {
        throw new MountError(`c.var.${variable} is taken: pass { variable: 'anotherName' }.`)
      }
      c.set(variable, sessions.of(c))
      new ResponseGate(outgoing as ServerResponse, new SessionKeeper(state, client))
      await next()
    } catch (error) {
      // What is no `Error`, and what fails where no route matches, Hono puts nowhere.
      state?.discard() // guard: discard what only comes by
      throw error
    }
  }
}

/** The request and response of Node below, which `@hono/node-server` hands to applications. */
function bindingsOf(c: Context): { incoming: NodeRequest; outgoing: NodeResponse } {
  const { incoming, outgoing } = (c.env ?? {}) as { incoming?: NodeRequest; outgoing?: NodeResponse }
  if (incoming === undefined || outgoing === undefined) {
    throw new MountError("honoSessions needs Node's own request and response: serve the app by @hono/node-server.")
  }
  return { incoming, outgoing }
}
