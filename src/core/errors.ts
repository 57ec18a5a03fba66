/**
 * Every error that coatcheck throws. Act on `code`, which is stable; the message is for people and may change.
 * No message, property or cause ever holds a token or session data.
 */
export class CoatcheckError extends Error {
  /** Stable, such as `ERR_SESSION_ENDED`. */
  readonly code: string
  /** The HTTP status that fits when a request fails with this error; web frameworks read it by themselves. */
  readonly status: number

  constructor(code: string, message: string, status = 500, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
    this.status = status
  }
}

/** `ERR_CONFIG`: an option is wrong, contradictory or unsafe. Thrown at start, before any request. */
export class ConfigError extends CoatcheckError {
  constructor(message: string) {
    super('ERR_CONFIG', message)
  }
}

/** What has to be so of an option, or of an argument. @throws ConfigError, or what `Wrong` makes */
export function must(
  be: unknown,
  message: string,
  Wrong: new (message: string) => CoatcheckError = ConfigError,
): asserts be {
  if (!be) throw new Wrong(message)
}

/** `ERR_ARGUMENT`: a value handed to a call is not usable (a duration, a user id, an amount). Nothing was written. */
export class ArgumentError extends CoatcheckError {
  constructor(message: string) {
    super('ERR_ARGUMENT', message)
  }
}

/** What a {@link FieldError} may say. */
export type FieldErrorCode =
  | 'ERR_FIELD_RESERVED'
  | 'ERR_FIELD_NAME'
  | 'ERR_FIELD_VALUE'
  | 'ERR_FIELD_TOO_LARGE'
  | 'ERR_FIELD_NOT_INTEGER'
  | 'ERR_FIELD_RANGE'
  | 'ERR_FIELD_UNCOMMITTED'

/**
 * A field of the session data cannot be written. Nothing was written.
 *
 * - `ERR_FIELD_RESERVED`: the name is coatcheck's own (`created_at`, …, everything that begins with `_`).
 * - `ERR_FIELD_NAME`: the name is empty, too long or not well-formed.
 * - `ERR_FIELD_VALUE`: the value has no faithful JSON form.
 * - `ERR_FIELD_TOO_LARGE`: the value takes more than `maxValueBytes`.
 * - `ERR_FIELD_NOT_INTEGER`: an increment of a field that holds no integer.
 * - `ERR_FIELD_RANGE`: an increment past ±(2^53 − 1).
 * - `ERR_FIELD_UNCOMMITTED`: an increment or update of a field that this request has changed and not committed.
 */
export class FieldError extends CoatcheckError {
  readonly field: string

  constructor(code: FieldErrorCode, field: string, message: string) {
    super(code, message)
    this.field = field
  }
}

/**
 * `ERR_DATA_INVALID`: the data of a session does not fit the schema, as read (even after `migrate`) or as it was to be written.
 * Nothing was written, and the session goes on: it can be loaded, touched and logged out.
 */
export class DataError extends CoatcheckError {
  /** The top-level fields that do not fit. */
  readonly fields: readonly string[]

  constructor(when: 'read' | 'migrated' | 'written', fields: readonly string[]) {
    const advice = {
      read: 'as stored. Give a migrate function that brings older data up to date',
      migrated: 'even after migrate',
      written: 'as it was to be written; nothing was',
    }[when]
    super('ERR_DATA_INVALID', `The session data does not fit the schema in ${fields.join(', ')}, ${advice}.`)
    this.fields = fields
  }
}

/** `ERR_SESSION_ENDED` (401): the session has ended (expired, logged out, revoked); nothing was written. */
export class SessionEndedError extends CoatcheckError {
  constructor() {
    super('ERR_SESSION_ENDED', 'The session has ended; nothing was written. Ask the user to start again.', 401)
  }
}

/** `ERR_USER_LIMIT` (403): the user has `maxPerUser.limit` sessions and `whenFull` is `'refuse'`. */
export class UserLimitError extends CoatcheckError {
  constructor(limit: number) {
    super('ERR_USER_LIMIT', `The user already has ${limit} sessions, the limit. End one first.`, 403)
  }
}

/** `ERR_LOGIN_REVOKED` (401): the user was logged out everywhere after this login had begun. Nothing was written; ask again. */
export class LoginRevokedError extends CoatcheckError {
  constructor() {
    super('ERR_LOGIN_REVOKED', 'The user has been logged out everywhere meanwhile. Let the user log in again.', 401)
  }
}

/** `ERR_HEADERS_SENT`: the session needs to send a cookie, but the head of the response has left. */
export class HeadersSentError extends CoatcheckError {
  constructor() {
    super(
      'ERR_HEADERS_SENT',
      'The response has begun: no session can begin, rotate or log out any more. Do it before the first write.',
    )
  }
}

/** `ERR_MOUNT`: the adapter is mounted twice, or not at all, for this request. */
export class MountError extends CoatcheckError {
  constructor(message: string) {
    super('ERR_MOUNT', message)
  }
}

/** Somebody needs the session of a request that has not passed the adapter. */
export function notMounted(): MountError {
  return new MountError(
    'This request has no session: mount the adapter before the routes and the guards, as in app.use(expressSessions(sessions)).',
  )
}

/** Whether a failed call may have taken effect in the store: `'none'` is certain that it has not. */
export type Outcome = 'none' | 'unknown'

/** The least that HTTP can say. Once the store is back, it takes less. */
const RETRY_AFTER = Object.freeze({ 'retry-after': '1' })

/** What a {@link StoreError} may say. */
export type StoreErrorCode =
  | 'ERR_STORE_TIMEOUT'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_STORE_FULL'
  | 'ERR_STORE_REPLY'
  | 'ERR_STORE_REPLICAS'

/**
 * The store did not do what it was asked (503). Nothing is retried behind your back; try the whole request again.
 *
 * - `ERR_STORE_TIMEOUT`: no answer within the deadline (`storeTimeout`).
 * - `ERR_STORE_UNAVAILABLE`: no connection, or a store that has stopped answering: then nothing was sent.
 * - `ERR_STORE_FULL`: Redis is out of memory.
 * - `ERR_STORE_REPLY`: Redis answered with another error.
 * - `ERR_STORE_REPLICAS`: it was done, but not acknowledged by so many replicas as `waitForReplicas` says; a failover may undo it.
 */
export class StoreError extends CoatcheckError {
  /** `'unknown'` where a write may or may not have taken effect. */
  readonly outcome: Outcome
  /**
   * For the answer to the request, beside `status`: when it is worth trying again, in seconds. Express and Fastify send it by
   * themselves; in an error handler of your own, send it along.
   */
  readonly headers: Readonly<Record<'retry-after', string>> = RETRY_AFTER

  constructor(code: StoreErrorCode, message: string, outcome: Outcome, cause?: unknown) {
    super(code, message, 503, cause)
    this.outcome = outcome
  }
}
