import { type Duration, milliseconds } from './duration.ts'
import { ArgumentError } from './errors.ts'
import type { DataOf } from './fields.ts'
import { expiresAt } from './record.ts'
import type { RequestState } from './request-state.ts'

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

  /** Made by the adapters. */
  constructor(state: RequestState) {
    this.#state = state
    // `req.session.cart = …`, as with express-session, would be lost without a word: now it is a TypeError.
    Object.preventExtensions(this)
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

  /** The request came with a session token, but that session has ended (or never was): "your session has expired". */
  get ended(): boolean {
    return this.#state.ended
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
}

/** @throws ArgumentError */
export function checkIdleTimeout(idleTimeout: Duration, lifetime: number): number {
  const ms = milliseconds(idleTimeout, 'idleTimeout')
  if (ms > lifetime) throw new ArgumentError(`idleTimeout must not be longer than the lifetime (${lifetime} ms).`)
  return ms
}
