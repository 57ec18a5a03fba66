import type { Duration } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import type { Refusal } from '../core/guards.ts'
import * as guards from '../core/guards.ts'
import * as origins from '../core/same-origin.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { prefersHtml } from './accept.ts'
import { isHttps, type RequestSource, requestOf } from './fetch-request.ts'
import { loginAnswer } from './guard-answers.ts'
import { asError, type Check, check, checkThat, splitRoles } from './guard-checks.ts'
import { answerRefusal, refused, responseOf } from './guard-responses.ts'

/** Wraps a handler inside `fetchSessions`: lets a request through to it, or returns another response. */
export type Guard = <Source extends RequestSource = Request, Rest extends unknown[] = [], Result = Response>(
  handler: (source: Source, ...rest: Rest) => Result,
) => (source: Source, ...rest: Rest) => Promise<Awaited<Result> | Response>

/** What a guard does with a request that it refuses. */
export interface RefusalOptions {
  /**
   * Answers instead of the guard: with a page, or by `redirectToLogin('/login')`. It must return a response, or throw one; anything
   * else that it throws is an error of the request. Default: the refusal's status, `Cache-Control: no-store`, and JSON such as
   * `{ "error": "Authentication required" }`.
   */
  onRefused?(refusal: Refusal, request: Request): Response | Promise<Response>
}

/** Whom a guard looks at, and what it does with those whom it refuses. */
export interface GuardOptions<Data = Record<string, unknown>> extends RefusalOptions {
  /** Whose sessions are guarded, if several are mounted on the request. Default: those mounted last. */
  sessions?: Sessions<Data>
}

/** Which requests of other origins are welcome, and what becomes of the others. */
export interface FetchSameOriginOptions extends origins.SameOriginOptions, RefusalOptions {
  /** Whether a request came over https, for a server behind a proxy that ends TLS. Default: what its URL says. */
  secure?: (request: Request) => boolean
}

/**
 * Lets only requests pass whose session belongs to a user. Everybody else is answered 401.
 * @example export const GET = withSession(requireUser()((request) => Response.json(sessions.of(request).data)))
 */
export function requireUser<Data>(options: GuardOptions<Data> = {}): Guard {
  return guard('requireUser', options, check(options, guards.requireUser()))
}

/**
 * Lets only users pass who have at least one of the roles. Other users are answered 403, and who is no user 401.
 * @param rolesAndOptions the names of the roles, and {@link GuardOptions} after them
 * @example export const GET = withSession(requireRole('admin', 'support')(showOffice))
 * @throws ConfigError when no role is given, or an empty one
 */
export function requireRole<Data>(
  ...rolesAndOptions: readonly [string, ...string[]] | readonly [string, ...string[], GuardOptions<Data>]
): Guard {
  const { roles, options = {} } = splitRoles(rolesAndOptions)
  return guard('requireRole', options, check(options, guards.requireRole(...roles)))
}

/**
 * Lets only users pass who have logged in within `maxAge`: before a change of password, a payment, a deletion. Others are
 * answered 401 with the code `ERR_RECENT_LOGIN_REQUIRED` in the body, so that the page can ask for the password again.
 * @example export const POST = withSession(requireRecentLogin('5m')(changePassword))
 * @throws ConfigError when `maxAge` is no duration
 */
export function requireRecentLogin<Data>(maxAge: Duration, options: GuardOptions<Data> = {}): Guard {
  return guard('requireRecentLogin', options, check(options, guards.requireRecentLogin(maxAge)))
}

/**
 * Lets only requests pass for which a condition of your own is `true`; others are answered 403. It asks for no user: put
 * `requireUser()` before it, if one is needed. If the condition throws or rejects, the request fails with that error.
 * @param condition gets the session and the request
 * @example export const GET = withSession(requireThat((session) => session.data.plan === 'pro', { sessions })(showBeta))
 * @throws ConfigError when `condition` is no function
 */
export function requireThat<Data = Record<string, unknown>>(
  condition: (session: Session<Data>, request: Request) => boolean | Promise<boolean>,
  options: GuardOptions<Data> = {},
): Guard {
  return guard('requireThat', options, checkThat(condition, options))
}

/**
 * Refuses requests that change something and come from another site (CSRF), with 403. Needs no session: it may stand before
 * everything else. What it goes by: {@link origins.sameOrigin}.
 * @example export const POST = sameOrigin()(withSession(addToCart))
 * @throws ConfigError for an entry of `origins` that is no origin
 */
export function sameOrigin({ secure = isHttps, ...options }: FetchSameOriginOptions = {}): Guard {
  const decide = origins.sameOrigin(options)
  return guard('sameOrigin', options, (request) => {
    const { method, headers, url } = request
    // Some servers make the URL of what they listen on; browsers name the host that they mean.
    const host = headers.get('host') ?? new URL(url).host
    return decide({
      method,
      secFetchSite: headers.get('sec-fetch-site') ?? undefined,
      origin: headers.get('origin') ?? undefined,
      own: `${secure(request) ? 'https' : 'http'}://${host}`,
    })
  })
}

/**
 * For `onRefused`: sends a browser that asked for a page to the login page, with 303 and the path it asked for in
 * `return-to`. All other requests (scripts, forms, everything that a login does not help) get the guard's own answer.
 * @param loginPath a path on this origin
 * @example const members = requireUser({ onRefused: redirectToLogin('/login') })
 * @throws ConfigError when `loginPath` is none
 */
export function redirectToLogin(loginPath: string): NonNullable<RefusalOptions['onRefused']> {
  const answerTo = loginAnswer(loginPath)
  return function redirect(refusal, { method, url, headers }) {
    const { pathname, search } = new URL(url)
    const accept = headers.get('accept') ?? undefined
    return responseOf(answerTo(refusal, { method, url: pathname + search, prefersHtml: () => prefersHtml(accept) }))
  }
}

function guard(name: string, { onRefused = answerRefusal }: RefusalOptions, check: Check<Request>): Guard {
  if (typeof onRefused !== 'function') throw new ConfigError(`${name}: onRefused must be a function.`)
  const refusalOfGuard = async (request: Request): Promise<Response | undefined> => {
    try {
      const decision = await check(request)
      return decision === 'allow' ? undefined : await refused(onRefused(decision, request), name)
    } catch (error) {
      throw asError(error)
    }
  }
  const wrap: Guard = (handler) => {
    const guarded: ReturnType<Guard> = async (source, ...rest) =>
      (await refusalOfGuard(requestOf(source))) ?? handler(source as never, ...(rest as never))
    // The name that stack traces show.
    return Object.defineProperty(guarded, 'name', { value: name }) as never
  }
  return wrap
}
