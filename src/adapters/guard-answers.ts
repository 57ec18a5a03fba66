import type { ServerResponse } from 'node:http'
import { must } from '../core/errors.ts'
import { type Refusal, refusalBody } from '../core/guards.ts'
import { NOWHERE, safeReturnTo } from '../core/return-to.ts'
import { type Answer, jsonAnswer, NOT_STORED } from './json-answer.ts'
import { setHeaders } from './response-head.ts'

/** How a request is answered that a guard does not let pass. */
export type GuardAnswer = Answer

/** A request, as far as the way to the login page goes by it. */
export interface PageRequest {
  readonly method: string | undefined
  /** Path and query, as they came. */
  readonly url: string | undefined
  /** Whether it would rather have HTML than JSON. */
  readonly prefersHtml: () => boolean
}

export function refusalAnswer(refusal: Refusal): GuardAnswer {
  return jsonAnswer(refusal.status, refusalBody(refusal))
}

/**
 * Sends browsers that ask for a page to log in, and answers all others as ever.
 * @throws ConfigError when `loginPath` is no path on this origin
 */
export function loginAnswer(loginPath: string): (refusal: Refusal, request: PageRequest) => GuardAnswer {
  const path = safeReturnTo(loginPath, '')
  must(path !== '', "redirectToLogin needs a path on this origin, as in redirectToLogin('/login').")
  return (refusal, request) => {
    if (refusal.status !== 401 || !asksForPage(request)) return refusalAnswer(refusal)
    const url = new URL(path, NOWHERE)
    url.searchParams.set('return-to', safeReturnTo(request.url))
    const headers = { Location: url.pathname + url.search + url.hash, ...NOT_STORED }
    return { status: 303, headers, body: '' }
  }
}

/** Whoever would take JSON as readily is a script. */
function asksForPage({ method, prefersHtml }: PageRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && prefersHtml()
}

export function sendAnswer(res: ServerResponse, { status, headers, body }: GuardAnswer): void {
  res.statusCode = status
  setHeaders(res, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
}
