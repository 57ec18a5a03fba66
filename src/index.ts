/**
 * Sessions, and what an application meets of them: options, the session of a request, errors, the port for stores.
 *
 * @module coatcheck
 */

import type { DataOf } from './core/fields.ts'
import type { SessionsOptions } from './core/options.ts'
import type { DataOfSchema, DataSchema } from './core/schema.ts'
import { Sessions } from './core/sessions.ts'

export type { AdoptedUser, Adoption, Heritage, TakeOver } from './core/adoption.ts'
export type { CheckableStore, Finding } from './core/check.ts'
export type { CookieOptions } from './core/cookie.ts'
export type { Duration } from './core/duration.ts'
export {
  ArgumentError,
  CoatcheckError,
  ConfigError,
  DataError,
  FieldError,
  type FieldErrorCode,
  HeadersSentError,
  LoginRevokedError,
  MountError,
  type Outcome,
  SessionEndedError,
  StoreError,
  type StoreErrorCode,
  UserLimitError,
} from './core/errors.ts'
export type { SessionEvent, SessionEvents } from './core/events.ts'
export type { DataOf, ReservedField } from './core/fields.ts'
export type { Health, Latency } from './core/health.ts'
export type { LoginOptions } from './core/login-options.ts'
export type { RecentOptions, SessionCounts, SessionStats } from './core/monitoring.ts'
export type { SessionsOptions } from './core/options.ts'
export type { SessionInfo, SessionSnapshot } from './core/record.ts'
export type { DataOfSchema, DataSchema, SchemaResult } from './core/schema.ts'
export type { Device, NumericField, Session } from './core/session.ts'
export type { CreatedSession, CreateOptions, Sessions } from './core/sessions.ts'
export type * from './core/store.ts'
export type { Token } from './core/token.ts'
export type { RevokeOptions, UserSessions } from './core/user-sessions.ts'
export type { SessionEnd } from './core/watches.ts'

/**
 * Makes the sessions of an application. `Data` is what the application keeps in a session; its values are typed everywhere,
 * and a field name that coatcheck reserves does not compile.
 *
 * @example
 * const sessions = createSessions<{ cart: string[]; pageViews: number }>({
 *   store: redisStore(client),
 *   idleTimeout: '30m',
 *   lifetime: '12h',
 * })
 * @example
 * const sessions = createSessions({ store: redisStore(client), schema: z.object({ cart: z.array(z.string()).optional() }) })
 * @throws ConfigError for an option that is wrong, contradictory or unsafe
 */
export function createSessions<Schema extends DataSchema>(
  options: SessionsOptions & { schema: Schema },
): Sessions<DataOfSchema<Schema>>
export function createSessions<Data extends DataOf<Data> = Record<string, unknown>>(
  options: SessionsOptions,
): Sessions<Data>
export function createSessions(options: SessionsOptions): Sessions {
  return new Sessions(options)
}
