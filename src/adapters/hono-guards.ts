import type { Context, MiddlewareHandler } from 'hono'
import type { Duration } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import type { Refusal } from '../core/guards.ts'
import * as guards from '../core/guards.ts'
import * as origins from '../core/same-origin.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { prefersHtml } from './accept.ts'
import { loginAnswer } from './guard-answers.ts'
import { asError, type Check, check, checkThat, splitRoles } from './guard-checks.ts'
import { answerRefusal, refused, responseOf } from './guard-responses.ts'

/** What a guard does with a request that it refuses. */
export interface RefusalOptions {
  /**
   * Answers instead of the guard: with a page, or by `redirectToLogin('/login')`. It must return a response; what it throws is an
   * error of the request. Default: the refusal's status, `Cache-Control: no-store`, and JSON such as
   * `{ "error": "Authentication required" }`.
   */
  onRefused?(refusal: Refusal, c: Context): Response | Promise<Response>
}

/** Whom a guard looks at, and what it does with those whom it refuses. */
export interface GuardOptions<Data = Record<string, unknown>> extends RefusalOptions {
  /** Whose sessions are guarded, if several are mounted on the request. Default: those mounted last. */
  sessions?: Sessions<Data>
}

/** Which requests of other origins are welcome, and what becomes of the others. */
export interface HonoSameOriginOptions extends origins.SameOriginOptions, RefusalOptions {
  /** Whether a request came over https, for a server behind a proxy that ends TLS. Default: what its URL says. */
  secure?: (c: Context) => boolean
}

/**
 * Lets only requests pass whose session belongs to a user. Everybody else is answered 401.
 * @example app.get('/profile', requireUser(), (c) => c.json(c.var.session.data))
 */
export function requireUser<Data>(options: GuardOptions<Data> = {}): MiddlewareHandler {
  return guard('requireUser', options, check(options, guards.requireUser()))
}

/**
 * Lets only users pass who have at least one of the roles. Other users are answered 403, and who is no user 401.
 * @param rolesAndOptions the names of the roles, and {@link GuardOptions} after them
 * @example app.use('/admin/*', requireRole('admin', 'support'))
 * @throws ConfigError when no role is given, or an empty one
 */
export function requireRole<Data>(
  ...rolesAndOptions: readonly [string, ...string[]] | readonly [string, ...string[], GuardOptions<Data>]
): MiddlewareHandler {
  const { roles, options = {} } = splitRoles(rolesAndOptions)
  return guard('requireRole', options, check(options, guards.requireRole(...roles)))
}

/**
 * Lets only users pass who have logged in within `maxAge`: before a change of password, a payment, a deletion. Others are
 * answered 401 with the code `ERR_RECENT_LOGIN_REQUIRED` in the body, so that the page can ask for the password again.
 * @example app.post('/password', requireRecentLogin('5m'), changePassword)
 * @throws ConfigError when `maxAge` is no duration
 */
export function requireRecentLogin<Data>(maxAge: Duration, options: GuardOptions<Data> = {}): MiddlewareHandler {
  return guard('requireRecentLogin', options, check(options, guards.requireRecentLogin(maxAge)))
}

/**
 * Lets only requests pass for which a condition of your own is `true`; others are answered 403. It asks for no user: put
 * `requireUser()` before it, if one is needed. If the condition throws or rejects, the request fails with that error.
 * @param condition gets the session and the context
 * @example app.get('/beta', requireThat((session) => session.data.plan === 'pro', { sessions }), showBeta)
 * @throws ConfigError when `condition` is no function
 */
export function requireThat<Data = Record<string, unknown>>(
  condition: (session: Session<Data>, c: Context) => boolean | Promise<boolean>,
  options: GuardOptions<Data> = {},
): MiddlewareHandler {
  return guard('requireThat', options, checkThat(condition, options))
}

/**
 * Refuses requests that change something and come from another site (CSRF), with 403. Needs no session: mount it once, before
 * everything that changes something. What it goes by: {@link origins.sameOrigin}.
 * @example app.use(sameOrigin())
 * @throws ConfigError for an entry of `origins` that is no origin
 */
export function sameOrigin({ secure, ...options }: HonoSameOriginOptions = {}): MiddlewareHandler {
  const decide = origins.sameOrigin(options)
  return guard('sameOrigin', options, (c) => {
    const { protocol, host } = new URL(c.req.url)
    const scheme = (secure?.(c) ?? protocol === 'https:') ? 'https' : 'http'
    return decide({
      method: c.req.method,
      secFetchSite: c.req.header('sec-fetch-site'),
      origin: c.req.header('origin'),
      own: `${scheme}://${host}`,
    })
  })
}

/**
 * For `onRefused`: sends a browser that asked for a page to the login page, with 303 and the path it asked for in
 * `return-to`. All other requests (scripts, forms, everything that a login does not help) get the guard's own answer.
 * @param loginPath a path on this origin
 * @example app.use('/account/*', requireUser({ onRefused: redirectToLogin('/login') }))
 * @throws ConfigError when `loginPath` is none
 */
export function redirectToLogin(loginPath: string): NonNullable<RefusalOptions['onRefused']> {
  const answerTo = loginAnswer(loginPath)
  return function redirect(refusal, { req }) {
    const { pathname, search } = new URL(req.url)
    const asked = { method: req.method, url: pathname + search, prefersHtml: () => prefersHtml(req.header('accept')) }
    return responseOf(answerTo(refusal, asked))
  }
}

function guard(name: string, { onRefused = answerRefusal }: RefusalOptions, check: Check<Context>): MiddlewareHandler {
  if (typeof onRefused !== 'function') throw new ConfigError(`${name}: onRefused must be a function.`)
  const refusalOfGuard = async (c: Context): Promise<Response | undefined> => {
    try {
      const decision = await check(c)
      return decision === 'allow' ? undefined : await refused(onRefused(decision, c), name)
    } catch (error) {
      throw asError(error)
    }
  }
  const run: MiddlewareHandler = async (c, next) => {
    const response = await refusalOfGuard(c)
    if (response === undefined) await next()
    return response
  }
  // The name that stack traces and lists of middleware show.
  return Object.defineProperty(run, 'name', { value: name })
}
