/**
 * The way on from express-session with coatcheck's Store to coatcheck's own sessions, without logging anybody out. Needs no
 * express-session.
 *
 * @module coatcheck/from-express-session
 */

export {
  type ExpressSessionCookieOptions,
  expressSessionCookie,
  type Secret,
} from './adapters/express-session/cookie.ts'
export { takeOver } from './core/adoptions.ts'
