import { createBeside } from '../core/beside.ts'
import { CoatcheckError } from '../core/errors.ts'
import { refusalOf } from './failure-answer.ts'

/** Who wants to know of failures of one request; the failure that they have been told of. */
interface Watch {
  readonly observers: (() => void)[]
  error: unknown
}

const watches = createBeside<Watch>()

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
  watches.set(c, { observers: [onFailure], error: c.error })
  Object.defineProperty(c, 'error', WATCHED_ERROR)
}

/** The same for all: V8 keeps functions made for one object, and what hangs on them, for longer than the object (see Beside). */
const WATCHED_ERROR: PropertyDescriptor = {
  configurable: true,
  enumerable: true,
  get(this: object): unknown {
    return watches.get(this)?.error
  },
  set(this: object, error: unknown) {
    const watch = watches.get(this)
    if (watch === undefined) return
    // Once for each failure: an error handler may change the session and then throw the same error on.
    const isNew = error !== undefined && error !== watch.error
    watch.error = error
    answerable(error)
    if (isNew) for (const observer of watch.observers) observer()
  },
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
