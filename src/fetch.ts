/**
 * Sessions and guards for handlers that get a `Request` and answer with a `Response`, on Node: route handlers of Next.js,
 * middleware, loaders and actions of React Router, endpoints of Astro and SvelteKit, bare servers.
 *
 * @module coatcheck/fetch
 */

import { answer, answerFailure, type Opened } from './adapters/fetch-answer.ts'
import { isHttps, type RequestSource, requestOf } from './adapters/fetch-request.ts'
import { isResponse, nextRedirect } from './adapters/fetch-thrown.ts'
import { RequestFacts, type RequestReader } from './adapters/request-facts.ts'
import { report, SessionKeeper } from './adapters/session-keeper.ts'
import { CoatcheckError } from './core/errors.ts'
import type { Session } from './core/session.ts'
import type { Sessions } from './core/sessions.ts'

export {
  type FetchSameOriginOptions,
  type Guard,
  type GuardOptions,
  type RefusalOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from './adapters/fetch-guards.ts'
export type { RequestSource } from './adapters/fetch-request.ts'
export type { Refusal, RefusalCode } from './core/guards.ts'
export { safeReturnTo } from './core/return-to.ts'
export type { SameOriginOptions } from './core/same-origin.ts'

/** How sessions meet a `Request`. */
export interface FetchSessionsOptions {
  /** Whether this request counts as activity. Default: every request does. `false` for a route that polls. */
  touch?: (request: Request) => boolean
  /**
   * Whether this request is served as a visitor's if the store fails as its session is read: with empty data, no user,
   * `session.unavailable`, and no write. Asked only then. Default: none is, the answer is 503.
   */
  serveAsVisitor?: (request: Request) => boolean
  /** Whether a request came over https, for a server behind a proxy that ends TLS. Default: what its URL says. */
  secure?: (request: Request) => boolean
  /** The client's address, which a `Request` does not know: from a header that your own proxy has written. Default: none. */
  address?: (request: Request) => string | undefined
  /**
   * Told of errors that the framework does not see: a commit that failed, the store that was away, a failure that had to be
   * answered here. Default `console.error`.
   */
  onError?: (error: unknown, request: Request) => void
}

/** Wraps a handler. What it gets after the request, such as the `{ params }` of Next.js, is passed on. */
export type WithFetchSession = <Source extends RequestSource = Request, Rest extends unknown[] = []>(
  handler: (source: Source, ...rest: Rest) => Response | Promise<Response>,
) => (source: Source, ...rest: Rest) => Promise<Response>

/**
 * Wraps handlers that get a `Request`, or an object with one in `request`, and return a `Response`: loads the session of each
 * request, and commits its changes before the response is returned. The session is `sessions.of(request)`.
 *
 * A `Response` that a handler throws is an answer too, and thrown on; of what Next.js throws at `redirect()`, the redirect is
 * made here, so that it carries the cookie. Any other error is a failure: the changes are discarded and the error goes on to the
 * framework, except that a failure which coatcheck has an answer to (503 while the store is away, 401 for a session that has
 * ended) or that comes after a login, rotation or logout, whose cookie must not be lost, is answered here. A commit that fails
 * replaces the handler's answer: 503, or 401 if the session has ended meanwhile.
 *
 * @example
 * const withSession = fetchSessions(sessions)
 * export const POST = withSession(async (request) => {
 *   sessions.of(request).data.name = 'Ada'
 *   return Response.json({ ok: true })
 * })
 */
export function fetchSessions<Data>(sessions: Sessions<Data>, options: FetchSessionsOptions = {}): WithFetchSession {
  const reader = readerOf(options)
  return (handler) =>
    async function coatcheckSessions(source, ...rest) {
      const request = requestOf(source)
      const facts = new RequestFacts(request, reader)
      let opened: Opened | undefined
      let settled: Settled
      try {
        opened = await open(sessions, request, facts)
        settled = await settle(() => handler(source, ...rest))
        settled = { ...settled, response: await answer(opened, settled.response) }
      } catch (error) {
        // Nobody commits what the handler has changed.
        if (!hasAnswer(error) && !opened?.state.owesCookie) {
          opened?.keeper.headLeaves()
          throw error
        }
        report(error, facts)
        return answerFailure(error, opened?.keeper)
      }
      if (settled.thrown) throw settled.response
      return settled.response
    }
}

/** The session of a request, without a wrapper around its handler: for answers that are no `Response`. */
export interface OpenedSession<Data = Record<string, unknown>> {
  /** The same as `sessions.of(request)`. */
  readonly session: Session<Data>
  /**
   * Commits the changes, and appends the cookie that the browser is owed to `headers`, if any. To be called last, before the
   * answer is returned: afterwards no session can begin, rotate or log out any more. Never called, the changes are discarded.
   * @throws FieldError, DataError, SessionEndedError, StoreError: do not answer that all is well. The cookie, if one is owed all
   *   the same, is in `headers` then
   */
  commit(headers: Headers): Promise<void>
  /** Forgets what has not been committed: the handler has failed. A cookie that is owed all the same comes with `commit`. */
  discard(): void
}

/**
 * Opens the session of a request, where answers are composed by the framework: `fetchSessions` for those whose handlers return
 * no `Response`. What happens to the changes is the caller's to see to.
 *
 * @example
 * const { session, commit } = await openSession(sessions, request)
 * const views = await session.increment('views')
 * const headers = new Headers()
 * await commit(headers)
 * return data({ views }, { headers })
 * @throws StoreError while the store is away; MountError when the request has a session already
 */
export async function openSession<Data>(
  sessions: Sessions<Data>,
  request: Request,
  options: FetchSessionsOptions = {},
): Promise<OpenedSession<Data>> {
  const { state, keeper } = await open(sessions, request, new RequestFacts(request, readerOf(options)))
  return {
    session: sessions.of(request),
    async commit(headers) {
      try {
        await keeper.prepare()?.()
      } finally {
        const cookie = keeper.takeCookie()
        if (cookie !== null) headers.append('Set-Cookie', cookie)
        keeper.headLeaves()
      }
    },
    discard: () => state.discard(),
  }
}

async function open<Data>(sessions: Sessions<Data>, request: Request, client: RequestFacts<Request>): Promise<Opened> {
  const cookieHeader = request.headers.get('cookie') ?? undefined
  const state = await sessions.openRequest(request, cookieHeader, { client })
  return { state, keeper: new SessionKeeper(state, client) }
}

/** What a handler has answered, and how. */
interface Settled {
  readonly response: Response
  readonly thrown: boolean
}

async function settle(handle: () => unknown): Promise<Settled> {
  try {
    const response = await handle()
    if (isResponse(response)) return { response, thrown: false }
  } catch (error) {
    if (isResponse(error)) return { response: error, thrown: true }
    const response = nextRedirect(error)
    if (response === null) throw error
    return { response, thrown: false }
  }
  throw new TypeError(
    'A handler behind fetchSessions has to return a Response; openSession is for those that return none.',
  )
}

/** The framework would make 500 of it. */
function hasAnswer(error: unknown): boolean {
  return error instanceof CoatcheckError && error.status !== 500
}

function readerOf({
  address = unknown,
  secure = isHttps,
  touch,
  serveAsVisitor,
  onError,
}: FetchSessionsOptions): RequestReader<Request> {
  const userAgent = (request: Request) => request.headers.get('user-agent') ?? undefined
  return { userAgent, address, secure, touch, serveAsVisitor, onError }
}

function unknown(): undefined {}
