import { inspect } from 'node:util'

/** Says that a function of the application has failed, and where. Loaded when one has. */
export function warnOfListener(error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : inspect(error)
  const message = 'A listener to sessions failed; the request was served all the same.'
  process.emitWarning(message, { type: 'CoatcheckWarning', code: 'COATCHECK_LISTENER', detail })
}
