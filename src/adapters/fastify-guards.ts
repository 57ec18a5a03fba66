import type { IncomingHttpHeaders } from 'node:http'
import type { IncomingHttpHeaders as Http2Headers } from 'node:http2'
import type { Duration } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import type { Refusal } from '../core/guards.ts'
import * as guards from '../core/guards.ts'
import * as origins from '../core/same-origin.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { prefersHtml } from './accept.ts'
import { type GuardAnswer, loginAnswer, refusalAnswer } from './guard-answers.ts'
import { asError, type Check, check, checkThat, splitRoles } from './guard-checks.ts'
import type { NodeRequest, NodeResponse } from './node-http.ts'

/** Fastify's request, as far as coatcheck uses it. */
export interface FastifyRequestLike {
  readonly raw: NodeRequest
  readonly headers: IncomingHttpHeaders | Http2Headers
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly originalUrl: string
  readonly protocol: string
  readonly host: string
  readonly ip: string
}

/** Fastify's reply, as far as coatcheck uses it. */
export interface FastifyReplyLike {
  readonly raw: NodeResponse
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(payload?: unknown): unknown
}

type Done = (error?: Error) => void

/** A hook (`onRequest` or `preHandler`) that lets a request pass or answers it. */
export type Guard<Req extends FastifyRequestLike = FastifyRequestLike> = (
  request: Req,
  reply: FastifyReplyLike,
  done: Done,
) => void

/** What a guard does with a request that it refuses. */
export interface RefusalOptions {
  /**
   * Answers instead of the guard: with a page, or by `redirectToLogin('/login')`. It must send a reply; what it throws is an
   * error of the request. Default: the refusal's status, `Cache-Control: no-store`, and JSON such as
   * `{ "error": "Authentication required" }`.
   */
  onRefused?(refusal: Refusal, request: FastifyRequestLike, reply: FastifyReplyLike): unknown
}

/** Whom a guard looks at, and what it does with those whom it refuses. */
export interface GuardOptions<Data = Record<string, unknown>> extends RefusalOptions {
  /** Whose sessions are guarded, if several are registered. Default: those registered last. */
  sessions?: Sessions<Data>
}

/**
 * Lets only requests pass whose session belongs to a user. Everybody else is answered 401.
 * @example app.get('/profile', { preHandler: requireUser() }, (request) => sessions.of(request).data)
 */
export function requireUser<Data>(options: GuardOptions<Data> = {}): Guard {
  return guard('requireUser', options, check(options, guards.requireUser()))
}

/**
 * Lets only users pass who have at least one of the roles. Other users are answered 403, and who is no user 401.
 * @param rolesAndOptions the names of the roles, and {@link GuardOptions} after them
 * @example app.addHook('preHandler', requireRole('admin', 'support'))
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
 * @example app.post('/password', { preHandler: requireRecentLogin('5m') }, changePassword)
 * @throws ConfigError when `maxAge` is no duration
 */
export function requireRecentLogin<Data>(maxAge: Duration, options: GuardOptions<Data> = {}): Guard {
  return guard('requireRecentLogin', options, check(options, guards.requireRecentLogin(maxAge)))
}

/**
 * Lets only requests pass for which a condition of your own is `true`; others are answered 403. It asks for no user: put
 * `requireUser()` before it, if one is needed. If the condition throws or rejects, the request fails with that error.
 * @param condition gets the session and the request
 * @example
 * const isPro = requireThat((session) => session.data.plan === 'pro', { sessions })
 * app.get('/beta', { preHandler: isPro }, showBeta)
 * @throws ConfigError when `condition` is no function
 */
export function requireThat<Data = Record<string, unknown>, Req extends FastifyRequestLike = FastifyRequestLike>(
  condition: (session: Session<Data>, request: Req) => boolean | Promise<boolean>,
  options: GuardOptions<Data> = {},
): Guard<NoInfer<Req>> {
  return guard('requireThat', options, checkThat(condition, options))
}

/**
 * Refuses requests that change something and come from another site (CSRF), with 403. Needs no session: add it once, before
 * everything that changes something. What it goes by: {@link origins.sameOrigin}.
 * @example app.addHook('onRequest', sameOrigin())
 * @throws ConfigError for an entry of `origins` that is no origin
 */
export function sameOrigin(options: origins.SameOriginOptions & RefusalOptions = {}): Guard {
  const decide = origins.sameOrigin(options)
  return guard('sameOrigin', options, ({ method, headers, protocol, host }) =>
    decide({
      method,
      secFetchSite: headers['sec-fetch-site']?.toString(),
      origin: headers.origin,
      own: `${protocol}://${host}`,
    }),
  )
}

/**
 * For `onRefused`: sends a browser that asked for a page to the login page, with 303 and the path it asked for in
 * `return-to`. All other requests (scripts, forms, everything that a login does not help) get the guard's own answer.
 * @param loginPath a path on this origin
 * @example app.addHook('preHandler', requireUser({ onRefused: redirectToLogin('/login') }))
 * @throws ConfigError when `loginPath` is none
 */
export function redirectToLogin(loginPath: string): NonNullable<RefusalOptions['onRefused']> {
  const answerTo = loginAnswer(loginPath)
  return function redirect(refusal, { method, originalUrl, headers }, reply) {
    send(reply, answerTo(refusal, { method, url: originalUrl, prefersHtml: () => prefersHtml(headers.accept) }))
  }
}

/**
 * A hook with a callback, not an async one: that would let the request pass as soon as it resolves, also while the answer to
 * it is still on its way (a stream, an `onSend` hook that takes its time).
 */
function guard<Req extends FastifyRequestLike>(
  name: string,
  { onRefused = answer }: RefusalOptions,
  check: Check<Req>,
): Guard<Req> {
  if (typeof onRefused !== 'function') throw new ConfigError(`${name}: onRefused must be a function.`)
  const passes = async (request: Req, reply: FastifyReplyLike): Promise<boolean> => {
    const decision = await check(request)
    if (decision !== 'allow') await onRefused(decision, request, reply)
    return decision === 'allow'
  }
  const run: Guard<Req> = (request, reply, done) => {
    passes(request, reply).then(
      (allowed) => {
        if (allowed) done()
      },
      (error) => done(asError(error) as Error),
    )
  }
  // The name that stack traces show.
  return Object.defineProperty(run, 'name', { value: name })
}

function answer(refusal: Refusal, _request: FastifyRequestLike, reply: FastifyReplyLike): void {
  send(reply, refusalAnswer(refusal))
}

function send(reply: FastifyReplyLike, { status, headers, body }: GuardAnswer): void {
  reply.code(status)
  for (const [name, value] of Object.entries(headers)) reply.header(name, value)
  reply.send(body === '' ? undefined : body)
}
