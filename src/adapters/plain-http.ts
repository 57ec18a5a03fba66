import { warnOnce } from '../core/warn.ts'

/** Says why browsers may drop a cookie, and what to do. Loaded when one has been sent over plain http. */
export function warnOfPlainHttp(cookie: string): void {
  warnOnce(
    'COATCHECK_SECURE_COOKIE',
    `The cookie ${cookie} is Secure, but this request came over plain http, so browsers may drop it and sessions will ` +
      'not stick. Behind a proxy that ends TLS, let the framework trust it (Express: app.set("trust proxy", 1); Fastify: ' +
      'trustProxy; elsewhere: the option secure). For http on your own machine, use cookie: { secure: false }.',
  )
}
