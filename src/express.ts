/**
 * Sessions and guards for Express 5 and 4.
 *
 * @module coatcheck/express
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ExpressApp, observeFailures, Watch } from './adapters/express-errors.ts'
import { RequestFacts, type RequestReader } from './adapters/request-facts.ts'
import { ResponseGate } from './adapters/response-gate.ts'
import { SessionKeeper } from './adapters/session-keeper.ts'
import { MountError } from './core/errors.ts'
import { mountedOf } from './core/mounted.ts'
import type { RequestState } from './core/request-state.ts'
import type { Sessions } from './core/sessions.ts'

export {
  type Guard,
  type GuardOptions,
  type RefusalOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from './adapters/express-guards.ts'
export type { Refusal, RefusalCode } from './core/guards.ts'
export { safeReturnTo } from './core/return-to.ts'
export type { SameOriginOptions } from './core/same-origin.ts'

/** How sessions meet Express. */
export interface ExpressSessionsOptions {
  /** Set `req.session` to the same object as `sessions.of(req)`, untyped. Default `true`; `false` leaves it to express-session. */
  reqSession?: boolean
  /** Whether this request counts as activity. Default: every request does. `false` for a route that polls. */
  touch?(req: IncomingMessage): boolean
  /**
   * Whether this request is served as a visitor's if the store fails as its session is read: with empty data, no user,
   * `session.unavailable`, and no write. Asked only then. Default: none is, the answer is 503.
   */
  serveAsVisitor?(req: IncomingMessage): boolean
  /** Told of errors that no handler can see any more (a commit that failed after `res.json()`). Default `console.error`. */
  onError?(error: unknown, req: IncomingMessage): void
}

/** What Express adds to a request, as far as the adapter uses it. */
interface ExpressRequest extends IncomingMessage {
  readonly secure?: boolean
  readonly ip?: string | undefined
  readonly app?: ExpressApp
  session?: unknown
}

/**
 * Express middleware (5 and 4): loads the session of each request, and commits its changes before the response leaves. Mount
 * it once, before the routes.
 *
 * When the store is away, a request with a session fails with `next(error)`, whose `status` is 503. A commit that fails
 * after the handler has answered replaces that answer: 503, or 401 if the session has ended meanwhile.
 *
 * @example app.use(expressSessions(sessions))
 */
export function expressSessions<Data>(
  sessions: Sessions<Data>,
  options: ExpressSessionsOptions = {},
): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void {
  const { reqSession = true, touch, serveAsVisitor, onError } = options
  const reader: RequestReader<ExpressRequest> = { ...framework, touch, serveAsVisitor, onError }
  return function coatcheckSessions(req: ExpressRequest, res, next) {
    if (reqSession && req.session !== undefined && !isOurs(sessions, req)) {
      next(
        new MountError(
          'req.session is taken by another middleware: pass { reqSession: false } and use sessions.of(req).',
        ),
      )
      return
    }
    const client = new RequestFacts(req, reader)
    const go = (state: RequestState) => {
      try {
        if (reqSession) req.session = sessions.of(req)
        observeFailures(req)
        new ResponseGate(res, new SessionKeeper(state, client))
      } catch (error) {
        return next(error)
      }
      next()
    }
    let opened: RequestState | Promise<RequestState>
    try {
      opened = sessions.openRequest(req, req.headers.cookie, { client, note: new Watch() })
    } catch (error) {
      return next(error)
    }
    if (opened instanceof Promise) void opened.then(go, next)
    else go(opened)
  }
}

/** Behind a proxy, Express knows the client's address if it trusts the proxy. */
const framework = {
  userAgent: (req: ExpressRequest) => req.headers['user-agent'],
  address: (req: ExpressRequest) => req.ip,
  secure: (req: ExpressRequest) => req.secure === true,
}

/** Mounted twice: opening the session says so better. */
function isOurs(sessions: object, req: ExpressRequest): boolean {
  return mountedOf(req, sessions)?.session === req.session
}
