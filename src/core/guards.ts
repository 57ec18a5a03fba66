import { type Duration, durationOption } from './duration.ts'
import { must } from './errors.ts'

/** Whoever makes a request, as far as guards look. A session has all of it but the clock. */
export interface Subject {
  /** `null`: nobody is logged in. */
  readonly userId: string | null
  readonly roles: readonly string[]
  /** When the user last proved who they are, by the store's clock; `null`: never, or nobody knows. */
  readonly authenticatedAt: number | null
  /** The store's clock as far as this process knows it. */
  now(): number | null
}

/** Why a guard does not let a request pass. */
export type RefusalCode = 'ERR_LOGIN_REQUIRED' | 'ERR_FORBIDDEN' | 'ERR_RECENT_LOGIN_REQUIRED' | 'ERR_CROSS_SITE'

/**
 * The answer to a request that a guard does not let pass.
 *
 * - `ERR_LOGIN_REQUIRED` (401): nobody is logged in.
 * - `ERR_RECENT_LOGIN_REQUIRED` (401): the login is too long ago; logging in again helps.
 * - `ERR_FORBIDDEN` (403): the user lacks the role, or the condition does not hold; logging in again does not help.
 * - `ERR_CROSS_SITE` (403): another site has made the browser send this.
 */
export interface Refusal {
  readonly status: 401 | 403
  readonly code: RefusalCode
  /** For people. */
  readonly error: string
}

/** What a guard says of a request. */
export type Decision = 'allow' | Refusal

const LOGIN_REQUIRED: Refusal = { status: 401, code: 'ERR_LOGIN_REQUIRED', error: 'Authentication required' }
const RECENT_LOGIN_REQUIRED: Refusal = {
  status: 401,
  code: 'ERR_RECENT_LOGIN_REQUIRED',
  error: 'Recent login required',
}
const FORBIDDEN: Refusal = { status: 403, code: 'ERR_FORBIDDEN', error: 'Insufficient permissions' }

/** Somebody is logged in. */
export function requireUser(): (subject: Subject) => Decision {
  return ({ userId }) => (userId === null ? LOGIN_REQUIRED : 'allow')
}

/**
 * The user has at least one of the roles.
 * @throws ConfigError when no role is given, or an empty one: such a guard would let nobody pass
 */
export function requireRole(...allowed: readonly string[]): (subject: Subject) => Decision {
  must(
    allowed.length > 0 && allowed.every((role) => typeof role === 'string' && role !== ''),
    "requireRole needs the name of a role, or of several: requireRole('admin', 'editor').",
  )
  return ({ userId, roles }) => {
    if (userId === null) return LOGIN_REQUIRED // guard: roles without a user
    return allowed.some((role) => roles.includes(role)) ? 'allow' : FORBIDDEN
  }
}

/**
 * The user has logged in (or proved again who they are) within `maxAge`.
 * @throws ConfigError when `maxAge` is no duration
 */
export function requireRecentLogin(maxAge: Duration): (subject: Subject) => Decision {
  const most = durationOption(maxAge, 'requireRecentLogin')
  return (subject) => {
    if (subject.userId === null) return LOGIN_REQUIRED // guard: recent login without a user
    const now = subject.now()
    const at = subject.authenticatedAt
    if (now === null || at === null) return RECENT_LOGIN_REQUIRED // guard: when is not known
    // Two processes may disagree on the time a little, so a login may seem to lie ahead. Far ahead it is nonsense. NaN fails.
    return Math.abs(now - at) <= most ? 'allow' : RECENT_LOGIN_REQUIRED
  }
}

/**
 * The application's own condition holds. Only `true` is a yes: a condition that forgets to return something, or to await it,
 * lets nobody pass.
 * @throws ConfigError when `condition` is no function
 */
export function requireThat<Args extends readonly unknown[]>(
  condition: (...args: Args) => boolean | Promise<boolean>,
): (...args: Args) => Promise<Decision> {
  must(typeof condition === 'function', 'requireThat needs a function that says true or false.')
  return async (...args) => ((await condition(...args)) === true ? 'allow' : FORBIDDEN)
}

/**
 * What a refusal says to the client, as JSON. The code is there only where a client has to act on it: ask for the password
 * again, and send the request once more.
 */
export function refusalBody({ code, error }: Refusal): { error: string; code?: RefusalCode } {
  return code === 'ERR_RECENT_LOGIN_REQUIRED' ? { error, code } : { error }
}
