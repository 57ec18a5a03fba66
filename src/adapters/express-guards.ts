import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duration } from '../core/duration.ts'
import { must } from '../core/errors.ts'
import type { Refusal } from '../core/guards.ts'
import * as guards from '../core/guards.ts'
import * as origins from '../core/same-origin.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { loginAnswer, refusalAnswer, sendAnswer } from './guard-answers.ts'
import { asError, type Check, check, checkThat, splitRoles } from './guard-checks.ts'

type Next = (error?: unknown) => void

/** A middleware that lets a request pass or answers it. */
export type Guard<Req extends IncomingMessage = IncomingMessage> = (req: Req, res: ServerResponse, next: Next) => void

/** What a guard does with a request that it refuses. */
export interface RefusalOptions {
  /**
   * Answers instead of the guard: with a page, or by `redirectToLogin('/login')`. It must answer or call `next(error)`; what it
   * throws goes to `next`. Default: the refusal's status, `Cache-Control: no-store`, and JSON such as
   * `{ "error": "Authentication required" }`.
   */
  onRefused?(refusal: Refusal, req: IncomingMessage, res: ServerResponse, next: Next): unknown
}

/** Whom a guard looks at, and what it does with those whom it refuses. */
export interface GuardOptions<Data = Record<string, unknown>> extends RefusalOptions {
  /** Whose sessions are guarded, if several are mounted on the request. Default: those mounted last. */
  sessions?: Sessions<Data>
}

/** What Express adds to a request, as far as guards use it. */
interface ExpressRequest extends IncomingMessage {
  readonly originalUrl?: string
  readonly protocol?: string
  accepts?(types: string[]): string | false
}

/**
 * Lets only requests pass whose session belongs to a user. Everybody else is answered 401.
 * @example app.get('/profile', requireUser(), (req, res) => res.json(sessions.of(req).data))
 */
export function requireUser<Data>(options: GuardOptions<Data> = {}): Guard {
  return guard('requireUser', options, check(options, guards.requireUser()))
}

/**
 * Lets only users pass who have at least one of the roles. Other users are answered 403, and who is no user 401.
 * @param rolesAndOptions the names of the roles, and {@link GuardOptions} after them
 * @example app.use('/admin', requireRole('admin', 'support'))
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
 * @example app.post('/password', requireRecentLogin('5m'), changePassword)
 * @throws ConfigError when `maxAge` is no duration
 */
export function requireRecentLogin<Data>(maxAge: Duration, options: GuardOptions<Data> = {}): Guard {
  return guard('requireRecentLogin', options, check(options, guards.requireRecentLogin(maxAge)))
}

/**
 * Lets only requests pass for which a condition of your own is `true`; others are answered 403. It asks for no user: put
 * `requireUser()` before it, if one is needed. If the condition throws or rejects, the request fails with that error.
 * @param condition gets the session and the request
 * @example app.get('/beta', requireThat((session) => session.data.plan === 'pro', { sessions }), showBeta)
 * @throws ConfigError when `condition` is no function
 */
export function requireThat<Data = Record<string, unknown>, Req extends IncomingMessage = IncomingMessage>(
  condition: (session: Session<Data>, req: Req) => boolean | Promise<boolean>,
  options: GuardOptions<Data> = {},
): Guard<Req> {
  return guard('requireThat', options, checkThat(condition, options))
}

/**
 * Refuses requests that change something and come from another site (CSRF), with 403. Needs no session: mount it once, before
 * everything that changes something. What it goes by: {@link origins.sameOrigin}.
 * @example app.use(sameOrigin())
 * @throws ConfigError for an entry of `origins` that is no origin
 */
export function sameOrigin(options: origins.SameOriginOptions & RefusalOptions = {}): Guard {
  const decide = origins.sameOrigin(options)
  return guard('sameOrigin', options, (req: ExpressRequest) =>
    decide({
      method: req.method,
      secFetchSite: req.headers['sec-fetch-site']?.toString(),
      origin: req.headers.origin,
      own: `${req.protocol}://${req.headers.host}`,
    }),
  )
}

/**
 * For `onRefused`: sends a browser that asked for a page to the login page, with 303 and the path it asked for in
 * `return-to`. All other requests (scripts, forms, everything that a login does not help) get the guard's own answer.
 * @param loginPath a path on this origin
 * @example app.use('/account', requireUser({ onRefused: redirectToLogin('/login') }))
 * @throws ConfigError when `loginPath` is none
 */
export function redirectToLogin(loginPath: string): NonNullable<RefusalOptions['onRefused']> {
  const answerTo = loginAnswer(loginPath)
  return function redirect(refusal, req: ExpressRequest, res) {
    const prefersHtml = () => req.accepts?.(['json', 'html']) === 'html'
    sendAnswer(res, answerTo(refusal, { method: req.method, url: req.originalUrl, prefersHtml }))
  }
}

function guard<Req extends IncomingMessage>(
  name: string,
  { onRefused = (refusal, _req, res) => sendAnswer(res, refusalAnswer(refusal)) }: RefusalOptions,
  check: Check<Req>,
): Guard<Req> {
  must(typeof onRefused === 'function', `${name}: onRefused must be a function.`)
  const passes = async (req: Req, res: ServerResponse, next: Next): Promise<boolean> => {
    const decision = await check(req)
    if (decision === 'allow') return true
    await onRefused(decision, req, res, next)
    return false
  }
  const run: Guard<Req> = (req, res, next) => {
    passes(req, res, next).then(
      (allowed) => {
        if (allowed) next()
      },
      (error) => next(asError(error)),
    )
  }
  // The name that stack traces and lists of middleware show.
  return Object.defineProperty(run, 'name', { value: name })
}
