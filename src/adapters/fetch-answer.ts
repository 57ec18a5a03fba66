import type { RequestState } from '../core/request-state.ts'
import { failureOf } from './failure-answer.ts'
import { watchBody } from './fetch-body.ts'
import type { Gatekeeper } from './response-gate.ts'

/** The session of a request. */
export interface Opened {
  readonly state: RequestState
  readonly keeper: Gatekeeper
}

/** What the sessions of a request have said in a response, for those that are mounted around them. */
interface Said {
  /** They tell what has happened in a store, so they stay whatever is answered in the end. */
  readonly cookies: readonly string[]
  /** It is the answer to a handler that has failed. */
  readonly failed: boolean
}

const said = new WeakMap<Response, Said>()

/**
 * Answers a request: commits the changes, then lets the response go. What its body changes while it leaves is committed before
 * its end. A response with neither cookie nor body is the handler's own; others are copies, for many cannot be changed.
 */
export async function answer({ state, keeper }: Opened, response: Response): Promise<Response> {
  const { cookies = [], failed = false } = said.get(response) ?? {}
  if (failed) state.discard() // guard: discard around a failure
  const complete = async () => {
    try {
      await keeper.prepare()?.()
    } catch (error) {
      keeper.fail(error)
      throw error
    }
  }
  const { body, headers } = response
  // Before the commit: of a response that cannot be copied, nothing may be committed.
  const copy = copyOf(response, body && watchBody(body, lengthOf(headers), complete))
  try {
    await keeper.prepare()?.() // guard: commit before the response
  } catch (error) {
    copy.body?.cancel(error).catch(() => undefined)
    return leave(keeper, jsonResponse(keeper.refuse(error), cookies), { cookies, failed: true })
  }
  return leave(keeper, copy, { cookies, failed }, body === null ? response : copy)
}

/** Answers a request that has failed: its handler, or already the reading of its session. */
export function answerFailure(error: unknown, keeper?: Gatekeeper): Response {
  return leave(keeper, jsonResponse(failureOf(error)), { cookies: [], failed: true })
}

/** An answer of our own: JSON, and for nobody else. */
function jsonResponse(
  { status, body }: { readonly status: number; readonly body: string },
  cookies: readonly string[] = [],
): Response {
  const headers = new Headers({ 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' })
  for (const cookie of cookies) headers.append('Set-Cookie', cookie) // guard: other session cookies stay
  return new Response(body, { status, headers })
}

/** Lets a response go; without a cookie, `unchanged` in its place. */
function leave(
  keeper: Gatekeeper | undefined,
  response: Response,
  { cookies, failed }: Said,
  unchanged = response,
): Response {
  const cookie = keeper?.takeCookie() ?? null
  keeper?.headLeaves()
  if (cookie !== null) response.headers.append('Set-Cookie', cookie)
  const left = cookie === null ? unchanged : response
  said.set(left, { cookies: cookie === null ? cookies : [...cookies, cookie], failed })
  return left
}

function copyOf({ status, statusText, headers }: Response, body: ReadableStream<Uint8Array> | null): Response {
  return new Response(body, { status, statusText, headers: new Headers(headers) })
}

function lengthOf(headers: Headers): number | null {
  const length = headers.get('content-length')
  return length === null ? null : Number(length)
}
