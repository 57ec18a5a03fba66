import { CoatcheckError } from '../../core/errors.ts'
import { warnOnce } from '../../core/warn.ts'

/** How express-session wants to be told: first the error, if any. */
export type Callback<T> = (error: unknown, value?: T) => void

/**
 * Tells what has become of a call: the callback if there is one, else by the promise. The callback is called once, in a turn of
 * its own and outside of the promise, so that what it throws is nobody's second answer but an uncaught exception, as ever.
 */
export function answer<T>(work: Promise<T>, callback?: Callback<T>): Promise<T> | undefined {
  if (typeof callback !== 'function') return work
  work.then(
    (value) => process.nextTick(callback, null, value),
    (error: unknown) => process.nextTick(callback, error),
  )
  return undefined
}

/** For a call that was to have a callback and has none: nobody waits, and a failure must not end the process. */
export function warnIfFails(work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    const code = error instanceof CoatcheckError ? error.code : 'an unexpected error'
    warnOnce(
      'COATCHECK_DESTROY_FAILED',
      `A session was to be destroyed, which failed (${code}), and no callback was given to be told. Said once.`,
    )
  })
}
