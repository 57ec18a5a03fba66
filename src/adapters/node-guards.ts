import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Duration } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import type { Refusal } from '../core/guards.ts'
import * as guards from '../core/guards.ts'
import * as origins from '../core/same-origin.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { prefersHtml } from './accept.ts'
import { loginAnswer, refusalAnswer, sendAnswer } from './guard-answers.ts'
import { type Check, check, checkThat, splitRoles } from './guard-checks.ts'
import { isEncrypted, type NodeRequest, type NodeResponse, ownOrigin, upgradeResponse } from './node-http.ts'

/** Wraps a listener of `request` or `upgrade`: lets a request through to it, or answers the request. */
export type Guard<Base extends NodeRequest = NodeRequest> = <
  Req extends Base = Base & IncomingMessage,
  Res extends NodeResponse | Duplex = ServerResponse,
  Rest extends unknown[] = [],
>(
  listener: (req: Req, res: Res, ...rest: Rest) => unknown,
) => (req: Req, res: Res, ...rest: Rest) => Promise<void>

/** What a guard does with a request that it refuses. */
export interface RefusalOptions {
  /**
   * Answers instead of the guard: with a page, or by `redirectToLogin('/login')`. What it throws is a failure of the request.
   * Default: the refusal's status, `Cache-Control: no-store`, and JSON such as `{ "error": "Authentication required" }`.
   */
  onRefused?(refusal: Refusal, req: NodeRequest, res: ServerResponse): unknown
}

/** Whom a guard looks at, and what it does with those whom it refuses. */
export interface GuardOptions<Data = Record<string, unknown>> extends RefusalOptions {
  /** Whose sessions are guarded, if several are mounted on the request. Default: those mounted last. */
  sessions?: Sessions<Data>
}

/** Which requests of other origins are welcome, and what becomes of the others. */
export interface NodeSameOriginOptions extends origins.SameOriginOptions, RefusalOptions {
  /** Whether a request came over https, for a server behind a proxy that ends TLS. Default: what its connection tells. */
  secure?: (req: NodeRequest) => boolean
}

/**
 * Lets only requests pass whose session belongs to a user. Everybody else is answered 401.
 * @example const profile = requireUser()((req, res) => res.end(sessions.of(req).userId))
 */
export function requireUser<Data>(options: GuardOptions<Data> = {}): Guard {
  return guard('requireUser', options, check(options, guards.requireUser()))
}

/**
 * Lets only users pass who have at least one of the roles. Other users are answered 403, and who is no user 401.
 * @param rolesAndOptions the names of the roles, and {@link GuardOptions} after them
 * @example const office = requireRole('admin', 'support')(showOffice)
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
 * @example const password = requireRecentLogin('5m')(changePassword)
 * @throws ConfigError when `maxAge` is no duration
 */
export function requireRecentLogin<Data>(maxAge: Duration, options: GuardOptions<Data> = {}): Guard {
  return guard('requireRecentLogin', options, check(options, guards.requireRecentLogin(maxAge)))
}

/**
 * Lets only requests pass for which a condition of your own is `true`; others are answered 403. It asks for no user: put
 * `requireUser()` before it, if one is needed. If the condition throws or rejects, the request fails with that error.
 * @param condition gets the session and the request
 * @example const beta = requireThat((session) => session.data.plan === 'pro', { sessions })(showBeta)
 * @throws ConfigError when `condition` is no function
 */
export function requireThat<Data = Record<string, unknown>, Req extends NodeRequest = NodeRequest>(
  condition: (session: Session<Data>, req: Req) => boolean | Promise<boolean>,
  options: GuardOptions<Data> = {},
): Guard<Req> {
  return guard('requireThat', options, checkThat(condition, options))
}

/**
 * Refuses requests that change something and come from another site (CSRF), with 403. Needs no session: it may stand before
 * everything else. What it goes by: {@link origins.sameOrigin}. For upgrades, `upgradeSessions` does this itself.
 * @example createServer(withSession(sameOrigin()(listener)))
 * @throws ConfigError for an entry of `origins` that is no origin
 */
export function sameOrigin(options: NodeSameOriginOptions = {}): Guard {
  return guard(
    'sameOrigin',
    options,
    checkOrigin(options, ({ method }) => method),
  )
}

/** @throws ConfigError */
export function checkOrigin(
  { secure = isEncrypted, ...options }: NodeSameOriginOptions,
  methodOf: (req: NodeRequest) => string | undefined,
): Check<NodeRequest> {
  const decide = origins.sameOrigin(options)
  return (req) =>
    decide({
      method: methodOf(req),
      secFetchSite: req.headers['sec-fetch-site']?.toString(),
      origin: req.headers.origin,
      own: ownOrigin(req, secure),
    })
}

/**
 * For `onRefused`: sends a browser that asked for a page to the login page, with 303 and the path it asked for in
 * `return-to`. All other requests (scripts, forms, everything that a login does not help) get the guard's own answer.
 * @param loginPath a path on this origin
 * @example const account = requireUser({ onRefused: redirectToLogin('/login') })(showAccount)
 * @throws ConfigError when `loginPath` is none
 */
export function redirectToLogin(loginPath: string): NonNullable<RefusalOptions['onRefused']> {
  const answerTo = loginAnswer(loginPath)
  return function redirect(refusal, { method, url, headers }, res) {
    sendAnswer(res, answerTo(refusal, { method, url, prefersHtml: () => prefersHtml(headers.accept) }))
  }
}

/** The guard's own answer. */
export function answerRefusal(refusal: Refusal, _req: NodeRequest, res: ServerResponse): void {
  sendAnswer(res, refusalAnswer(refusal))
}

function guard<Base extends NodeRequest>(
  name: string,
  { onRefused = answerRefusal }: RefusalOptions,
  check: Check<Base>,
): Guard<Base> {
  if (typeof onRefused !== 'function') throw new ConfigError(`${name}: onRefused must be a function.`)
  return (listener) => {
    const guarded: typeof listener = async (req, res, ...rest) => {
      const decision = await check(req)
      if (decision === 'allow') await listener(req, res, ...rest)
      else await onRefused(decision, req, answerable(req, res))
    }
    // The name that stack traces show.
    return Object.defineProperty(guarded as ReturnType<Guard<Base>>, 'name', { value: name }) as never
  }
}

/** A request that asks for an upgrade comes with its bare connection. */
function answerable(req: NodeRequest, res: NodeResponse | Duplex): ServerResponse {
  return 'setHeader' in res ? (res as ServerResponse) : upgradeResponse(req as IncomingMessage, res as Duplex)
}
