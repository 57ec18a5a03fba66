import type { Adoptions } from './adoptions.ts'
import type { LoginOptions } from './login-options.ts'
import type { Operations } from './operations.ts'
import type { SessionRecord, SessionStore } from './store.ts'

/** Whose an adopted session is. */
export interface AdoptedUser extends Omit<LoginOptions, 'data'> {
  userId: string
  /**
   * When the user last proved who they are, in epoch milliseconds, if the old session tells. Default unknown:
   * `requireRecentLogin` asks for a login.
   */
  authenticatedAt?: number
}

/** What goes on of an old session. */
export interface Heritage {
  /** `null`: nobody is logged in. */
  readonly user: AdoptedUser | null
  /** The application's fields, encoded. Reserved names are left out. */
  readonly fields: ReadonlyMap<string, string>
}

/**
 * Sessions that another library has begun, and that go on as sessions of this one as their requests come: where they are kept,
 * how their cookie is read, and what is kept of them. `expressSessionCookie` of `coatcheck/from-express-session` makes one.
 */
export interface Adoption {
  /** Where the old sessions are kept. */
  readonly store: SessionStore
  /** The id there of the session that a `Cookie` header names; `null`: none, or its signature is wrong. Asks no store. */
  idOf(cookieHeader: string | undefined): string | null
  /** What goes on of an old session. The session is held for 2 seconds meanwhile. */
  inherit(record: SessionRecord): Promise<Heritage>
  /** For how many milliseconds requests with the old cookie are still served after the adoption. */
  readonly grace: number
  /** For how many milliseconds the store remembers that an old session is over: who has its id cannot begin it again. */
  readonly remember: number
  /**
   * How it is done: `takeOver` of `coatcheck/from-express-session`. It comes with the adoption, so that an application that adopts
   * nothing does not load it.
   */
  readonly takeOver: TakeOver
}

/** Carries an adoption out, for the sessions of one application. @throws ConfigError */
export type TakeOver = (adoption: Adoption, operations: Operations) => Adoptions
