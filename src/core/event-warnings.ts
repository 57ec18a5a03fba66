import { inspect } from 'node:util'
import { warnOnce } from './warn.ts'

// What there is to say when events are not told as they should be. Loaded then.

/** Says that other processes are not heard. */
export function warnOfSilence(): void {
  warnOnce(
    'COATCHECK_EVENTS',
    'The store could not be listened to, so events of other processes are not told here. Said once.',
  )
}

/** Says that a function of the application has failed, and where. */
export function warnOfListener(error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : inspect(error)
  const message = 'A listener to sessions failed; the request was served all the same.'
  process.emitWarning(message, { type: 'CoatcheckWarning', code: 'COATCHECK_LISTENER', detail })
}
