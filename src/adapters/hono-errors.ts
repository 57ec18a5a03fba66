import { CoatcheckError } from '../core/errors.ts'
import { refusalOf } from './failure-answer.ts'

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
