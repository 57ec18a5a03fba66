import * as guards from '../core/guards.ts'
import { isObject } from '../core/kinds.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { guardedOf } from './guarded.ts'

// What the guards of every framework decide. A framework's own file says how a request passes, and how it is answered.

/** Lets a request pass, or says why not. `req` is what `sessions.of` knows. */
export type Check<Req extends object = object> = (req: Req) => guards.Decision | Promise<guards.Decision>

/** Whose sessions a guard looks at. */
export interface Whose<Data> {
  /** Default: those mounted last. */
  readonly sessions?: Sessions<Data>
}

/** The names of roles, and options after them. */
type RolesAnd<Options> = readonly [string, ...string[]] | readonly [string, ...string[], Options]

/** What a guard decides by the user of a session. */
export function check<Data>({ sessions }: Whose<Data>, decide: (subject: guards.Subject) => guards.Decision): Check {
  return (req) => {
    const { session, now } = guardedOf(req, sessions)
    const { userId, roles, authenticatedAt } = session
    return decide({ userId, roles, authenticatedAt, now })
  }
}

/** @throws ConfigError */
export function checkThat<Data, Req extends object>(
  condition: (session: Session<Data>, req: Req) => boolean | Promise<boolean>,
  { sessions }: Whose<Data>,
): Check<Req> {
  const decide = guards.requireThat(condition)
  return (req) => decide(guardedOf(req, sessions).session, req)
}

export function splitRoles<Options extends object>(
  given: RolesAnd<Options>,
): {
  roles: readonly string[]
  options: Options | undefined
} {
  const last = given.at(-1)
  const options = isObject(last) ? last : undefined
  return { roles: (options ? given.slice(0, -1) : given) as readonly string[], options }
}

/** To frameworks, `undefined` and `'route'` are no errors: what a condition throws must never open the way. */
export function asError(error: unknown): unknown {
  return isObject(error) ? error : new Error('A guard failed.', { cause: error })
}
