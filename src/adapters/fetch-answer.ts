import type { RequestState } from '../core/request-state.ts'
import { type FailureAnswer, failureOf } from './failure-answer.ts'
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
 * its end. A response without a body that nothing is added to stays as it is; others are copies, for many cannot be changed.
 */
export async function answer({ state, keeper }: Opened, response: Response): Promise<Response> {
  const { cookies = [], failed = false } = said.get(response) ?? {}
  if (failed) state.discard() // guard: discard around a failure
  const commit = keeper.prepare()
  if (response.body === null && commit === null && !state.owesCookie) {
    keeper.headLeaves()
    return response
  }
  // Before the commit: of a response that cannot be copied, nothing may be committed.
  const copy = copyOf(response, keeper)
  try {
    await commit?.() // guard: commit before the response
  } catch (error) {
    // Nobody reads it; what its source says to that concerns nobody either, and the commit's error is told.
    copy.body?.cancel(error).catch(() => undefined)
    return leave(ownResponse(keeper.refuse(error), cookies), { cookies, failed: true }, keeper)
  }
  return leave(copy, { cookies, failed }, keeper)
}

/** Answers a request that has failed: its handler, or already the reading of its session. */
export function answerFailure(error: unknown, keeper?: Gatekeeper): Response {
  return leave(ownResponse(failureOf(error)), { cookies: [], failed: true }, keeper)
}

/** An answer of our own. */
function ownResponse({ status, headers: own, body }: FailureAnswer, cookies: readonly string[] = []): Response {
  const headers = new Headers(own)
  for (const cookie of cookies) headers.append('Set-Cookie', cookie) // guard: other session cookies stay
  return new Response(body, { status, headers })
}

/** Lets a response of our own go, with the cookie that is owed. */
function leave(response: Response, { cookies, failed }: Said, keeper?: Gatekeeper): Response {
  const cookie = keeper?.takeCookie() ?? null
  keeper?.headLeaves()
  if (cookie !== null) response.headers.append('Set-Cookie', cookie)
  said.set(response, { cookies: cookie === null ? cookies : [...cookies, cookie], failed })
  return response
}

function copyOf({ status, statusText, headers, body }: Response, keeper: Gatekeeper): Response {
  const length = headers.get('content-length')
  const watched = body && watchBody(body, length === null ? null : Number(length), () => commitBeforeEnd(keeper))
  return new Response(watched, { status, statusText, headers })
}

async function commitBeforeEnd(keeper: Gatekeeper): Promise<void> {
  try {
    await keeper.prepare()?.()
  } catch (error) {
    keeper.fail(error)
    throw error
  }
}
