import type { Context } from 'hono'
import { CoatcheckError } from '../core/errors.ts'
import { refusalOf } from './failure-answer.ts'
import { RequestFacts, type RequestReader } from './request-facts.ts'

/**
 * One request to Hono, which tells nobody of a failure but puts it into `c.error` before it asks any error handler for an answer. So
 * whoever comes to the session looks there. To be told of it there would have to be a setter in its place, and V8 would make a slow
 * object of the context.
 */
export class HonoFacts extends RequestFacts<Context> {
  readonly #context: Context
  #failure: unknown

  constructor(context: Context, reader: RequestReader<Context>) {
    super(context, reader)
    this.#context = context
    this.#failure = context.error
  }

  /** Once for each failure: an error handler may change the session and then throw the same error on. */
  hasFailed(): boolean {
    const failure = this.#context.error
    if (failure === undefined || failure === this.#failure) return false
    this.#failure = failure
    return true
  }
}

/** What Hono's own error handler asks of errors: it answers 500 to all that do not have it. */
const ANSWER: PropertyDescriptor = {
  configurable: true,
  value(this: unknown): Response {
    const { status, headers, body } = refusalOf(this)
    return new Response(body, { status, headers })
  },
}

/**
 * Lets Hono's own error handler answer with the status of our errors. They all have it from their class: an error is on its way to
 * an error handler before anybody is told.
 */
export function makeAnswerable(): void {
  if (!('getResponse' in CoatcheckError.prototype)) {
    Object.defineProperty(CoatcheckError.prototype, 'getResponse', ANSWER)
  }
}
