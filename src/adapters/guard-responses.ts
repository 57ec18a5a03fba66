import type { Refusal } from '../core/guards.ts'
import { type GuardAnswer, refusalAnswer } from './guard-answers.ts'

// The answers of guards where an answer is a `Response`.

/** The guard's own answer. */
export function answerRefusal(refusal: Refusal): Response {
  return responseOf(refusalAnswer(refusal))
}

/** A hook that forgets its response must not open the way. */
export async function refused(response: Response | Promise<Response>, name: string): Promise<Response> {
  const answered = await response
  if (answered === undefined) throw new TypeError(`${name}: onRefused has to return a response.`) // guard: no response
  return answered
}

export function responseOf({ status, headers, body }: GuardAnswer): Response {
  return new Response(body === '' ? null : body, { status, headers })
}
