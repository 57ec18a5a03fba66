import { inspect } from 'node:util'
import { CoatcheckError, type StoreError } from './errors.ts'
import { warnOnce } from './warn.ts'

// What there is to say when something does not go as it should, and goes on all the same. Loaded then: warnLater.

/** Says that sessions are not extended. */
export function warnOfTouch(error: unknown): void {
  const code = error instanceof CoatcheckError ? error.code : 'an unexpected error'
  warnOnce('COATCHECK_TOUCH_FAILED', `A touch failed (${code}); the session may expire early. Said once.`)
}

/** Says that tokens are not changed when they are due. */
export function warnOfRotation({ code }: StoreError): void {
  warnOnce('COATCHECK_ROTATION_FAILED', `A due rotation failed (${code}); the next request tries again. Said once.`)
}

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

/** Says why browsers may drop a cookie, and what to do. */
export function warnOfPlainHttp(cookie: string): void {
  warnOnce(
    'COATCHECK_SECURE_COOKIE',
    `The cookie ${cookie} is Secure, but this request came over plain http, so browsers may drop it and sessions will ` +
      'not stick. Behind a proxy that ends TLS, let the framework trust it (Express: app.set("trust proxy", 1); Fastify: ' +
      'trustProxy; elsewhere: the option secure). For http on your own machine, use cookie: { secure: false }.',
  )
}
