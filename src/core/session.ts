import type { Duration } from './duration.ts'
import { SessionEndedError } from './errors.ts'
import type { DataOf } from './fields.ts'
import { checkIdleTimeout } from './limits.ts'
import { type LoginOptions, readLogin } from './login-options.ts'
import type { Logins } from './logins.ts'
import { expiresAt, type SessionInfo } from './record.ts'
import type { RequestState } from './request-state.ts'
import { checkRoles, encodeRoles, numberOf, rolesOf } from './user-fields.ts'
import { type RevokeOptions, UserSessions } from './user-sessions.ts'

/** One of a user's sessions, as `session.devices()` lists it. */
export interface Device extends SessionInfo {
  /** Whether it is the session of this request. */
  readonly current: boolean
}

/** The fields of `Data` that hold numbers. */
export type NumericField<Data> = {
  [Field in keyof Data]-?: NonNullable<Data[Field]> extends number ? Field : never
}[keyof Data] &
  string

/**
 * The session of one request, as `sessions.of(req)` gives it. It exists for every request; nothing is stored until something
 * is written to it.
 */
export class Session<Data = Record<string, unknown>> {
  readonly #state: RequestState
  readonly #logins: Logins

  /** Made by the adapters. */
  constructor(state: RequestState, logins: Logins) {
    this.#state = state
    this.#logins = logins
  }

  /**
   * The application's data. Change it as you like, deep inside too: what has changed is written before the response leaves,
   * field by field, so that concurrent requests that change different fields both win. `undefined` removes a field.
   */
  get data(): Partial<DataOf<Data>> {
    return this.#state.data as Partial<DataOf<Data>>
  }

  /** The public id (never the token), or `null` while nothing is stored. */
  get id(): string | null {
    return this.#state.record?.id ?? null
  }

  /** The user that the session belongs to, or `null`. */
  get userId(): string | null {
    return this.#state.record?.userId ?? null
  }

  /** What the user may do, as the login said or `setRoles` since; empty without a user. */
  get roles(): readonly string[] {
    return rolesOf(this.#state.record)
  }

  /** When the user last logged in with this session, in epoch milliseconds of the store's clock; `null` without a user. */
  get authenticatedAt(): number | null {
    return numberOf(this.#state.record, 'authenticated_at')
  }

  /** How many requests have come with this session, this one included: exact with `touchInterval: 0`, else within one interval. */
  get requestCount(): number {
    return this.#state.requestCount
  }

  /** The request came with a session token, but that session has ended (or never was): "your session has expired". */
  get ended(): boolean {
    return this.#state.ended
  }

  /**
   * The store failed as the session of this request was to be read, and the request is served as a visitor's
   * (`serveAsVisitor`): nobody knows whose it is. Every write fails with that `StoreError`, and guards let nobody pass.
   */
  get unavailable(): boolean {
    return this.#state.failure !== null
  }

  /** When the session began, in epoch milliseconds of the store's clock; `null` while nothing is stored. */
  get createdAt(): number | null {
    return this.#state.record?.createdAt ?? null
  }

  /** When the session was last accessed, as stored: up to `touchInterval` behind. */
  get lastAccessedAt(): number | null {
    return this.#state.record?.lastAccessedAt ?? null
  }

  /** Milliseconds without activity after which the session ends. */
  get idleTimeout(): number {
    return this.#state.idleTimeout
  }

  /** The instant at which the session ends whatever the activity. */
  get deadline(): number | null {
    return this.#state.record?.deadline ?? null
  }

  /** The instant at which the session ends without further activity. */
  get expiresAt(): number | null {
    return this.#state.record && expiresAt(this.#state.record)
  }

  /**
   * Changes one field by compare and set, at once: concurrent updates all win. Without a session, begins one.
   * @param change gets the current value (`undefined` if absent) and returns the next (`undefined` removes the field). It may
   *   run more than once, and must not be async.
   * @returns the new value
   * @throws FieldError, SessionEndedError, StoreError; HeadersSentError if a session would have to begin
   */
  async update<Field extends keyof Data & string>(
    field: Field,
    change: (current: Data[Field] | undefined) => Data[Field] | undefined,
  ): Promise<Data[Field] | undefined> {
    return (await this.#state.update(field, change as (current: unknown) => unknown)) as Data[Field] | undefined
  }

  /**
   * Adds to an integer field, atomically and at once; an absent field counts as 0. Without a session, begins one.
   * @param by default 1
   * @returns the new value
   * @throws FieldError (`ERR_FIELD_NOT_INTEGER`, `ERR_FIELD_RANGE`, `ERR_FIELD_UNCOMMITTED`), SessionEndedError, StoreError
   */
  increment(field: NumericField<Data>, by = 1): Promise<number> {
    return this.#state.increment(field, by)
  }

  /**
   * Changes the idle timeout of this session; written with the other changes. Counts from the commit on.
   * @param idleTimeout at most the configured lifetime
   * @throws ArgumentError
   */
  setIdleTimeout(idleTimeout: Duration): void {
    this.#state.setIdleTimeout(checkIdleTimeout(idleTimeout, this.#state.operations.settings.lifetime))
  }

  /**
   * Writes the changes made so far instead of waiting for the response: then the application can react to a failure.
   * @throws FieldError, SessionEndedError, StoreError
   */
  commit(): Promise<void> {
    return this.#state.commit()
  }

  /**
   * Binds the session to a user, who has just proved who it is: always with a new token, and from then on the old one leads
   * nowhere (OWASP: session fixation; ASVS 5.0 item 7.2.4). It counts as a new session, which keeps the data of an anonymous
   * one. A change of the user keeps nothing.
   * @throws ArgumentError; UserLimitError; LoginRevokedError when the user was logged out everywhere after this request had
   *   come; SessionEndedError when the data that was to be kept is gone; HeadersSentError, StoreError. Nothing has changed then.
   */
  async login(userId: string, options: LoginOptions = {}): Promise<void> {
    await this.#state.login(this.#logins, readLogin(userId, options, this.#state))
  }

  /**
   * Gives this session other roles, and a new token without grace for the old one. For all sessions of a user:
   * `sessions.user(id).setRoles(roles)`.
   * @throws ArgumentError, SessionEndedError, HeadersSentError, StoreError
   */
  setRoles(roles: readonly string[]): Promise<void> {
    return this.#state.setRoles(encodeRoles(checkRoles(roles)))
  }

  /**
   * The sessions of this session's user, the one accessed last first.
   * @throws SessionEndedError without a user, StoreError
   */
  async devices(): Promise<Device[]> {
    const own = await this.#user.list()
    const listed = own.some(({ id }) => id === this.id)
    // Another request may have rotated the session since this one came.
    const current = listed ? this.id : (await this.#state.operations.load(this.id ?? ''))?.id
    return own.map((session) => ({ ...session, current: session.id === current }))
  }

  /** Ends one session of this session's user. @returns whether the user had it @throws SessionEndedError, StoreError */
  async revoke(id: string): Promise<boolean> {
    const user = this.#user
    const session = await user.find(id)
    if (session === null) return false
    return this.#end(session.id === this.id, () => user.end(session, this.#actor))
  }

  /** Ends the user's sessions on one device. @returns how many there were @throws SessionEndedError, ArgumentError, StoreError */
  async revokeDevice(deviceId: string): Promise<number> {
    const user = this.#user
    const isHere = deviceId === this.#state.record?.fields.get('device_id')
    return this.#end(isHere, () => user.revokeDevice(deviceId, this.#actor))
  }

  /** Logs the user out everywhere but here. @returns how many sessions have ended @throws SessionEndedError, StoreError */
  async revokeOthers(): Promise<number> {
    return this.#user.revokeOthers(this.id ?? '', this.#actor)
  }

  /**
   * Logs the user out everywhere, here too: in one step, and a login under way with an old password is refused. This request
   * may log in again, as after a change of the password.
   * @returns how many sessions have ended
   * @throws SessionEndedError without a user, HeadersSentError, StoreError
   */
  async revokeAll(): Promise<number> {
    const user = this.#user
    const ended = await this.#end(true, () => user.revokeAll(this.#actor))
    this.#state.beginAnew()
    return ended
  }

  /**
   * Gives the session a new token (the browser gets it with this response), so that an older copy of it soon leads nowhere.
   * Requests already on their way with the old one are served for `rotationGrace`.
   * @throws HeadersSentError, SessionEndedError, StoreError
   */
  rotate(): Promise<void> {
    return this.#state.rotate()
  }

  /**
   * Ends the session and clears the cookie. What is written to `data` afterwards begins a new session, with a new token.
   * @throws HeadersSentError, StoreError (then the outcome may be unknown: answer 503; the cookie is cleared all the same)
   */
  logout(): Promise<void> {
    return this.#state.logout()
  }

  get #user(): UserSessions {
    this.#state.mustBeRead()
    const { userId } = this
    if (userId === null) throw new SessionEndedError()
    return new UserSessions(this.#state.operations, userId)
  }

  get #actor(): RevokeOptions {
    return this.userId === null ? {} : { actor: this.userId }
  }

  /**
   * Ends sessions.
   * @param isAmong whether this one is among them: as with a logout, the cookie is cleared then, whatever the store says
   */
  async #end<T>(isAmong: boolean, revoke: () => Promise<T>): Promise<T> {
    if (!isAmong) return revoke()
    this.#state.mustSendCookie()
    try {
      return await revoke()
    } finally {
      this.#state.forget()
    }
  }
}

/**
 * `req.session.cart = …`, as with express-session, would be lost without a word: so it is a TypeError. Behind all sessions, which is
 * where such an assignment comes to: it is refused in sloppy mode too, and costs a request nothing.
 */
const REFUSE_FIELDS: ProxyHandler<object> = {
  set(_, name) {
    throw new TypeError(`A session takes no property: write session.data.${name as string}.`)
  },
}
Object.setPrototypeOf(Session.prototype, new Proxy(Object.prototype, REFUSE_FIELDS))
