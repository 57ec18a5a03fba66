import { CoatcheckError } from '../core/errors.ts'
import { refusalOf } from './failure-answer.ts'

/** Who wants to know of failures of one request; the failure that they have been told of. */
interface Watch {
  readonly observers: (() => void)[]
  error: unknown
}

const watches = new WeakMap<object, Watch>()

/**
 * Calls `onFailure` when a handler or a middleware further down throws. Hono puts what was thrown into `c.error`, before it asks
 * any error handler for an answer.
 */
export function observeFailure(c: { error: Error | undefined }, onFailure: () => void): void {
  const known = watches.get(c)
  if (known !== undefined) {
    known.observers.push(onFailure)
    return
  }
  const watch: Watch = { observers: [onFailure], error: c.error }
  watches.set(c, watch)
  Object.defineProperty(c, 'error', {
    configurable: true,
    enumerable: true,
    get: () => watch.error,
    set(error: unknown) {
      // Once for each failure: an error handler may change the session and then throw the same error on.
      const isNew = error !== undefined && error !== watch.error
      watch.error = error
      answerable(error)
      if (isNew) for (const observer of watch.observers) observer()
    },
  })
}

/** Hono's own error handler answers 500 to all that does not say how it is answered. */
export function answerable<Thrown>(error: Thrown): Thrown {
  if (!(error instanceof CoatcheckError) || 'getResponse' in error) return error
  const getResponse = () => {
    const { status, headers, body } = refusalOf(error)
    return new Response(body, { status, headers })
  }
  return Object.defineProperty(error, 'getResponse', { value: getResponse })
}
