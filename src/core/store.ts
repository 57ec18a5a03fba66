import type { Outcome } from './errors.ts'

/**
 * What a backend must do: the port between sessions and where they are kept. A store knows session ids, never tokens, and
 * field values as encoded text, never as data. Times are epoch milliseconds by the store's own clock.
 *
 * A method rejects only when the store itself failed; a session that is missing, expired or ended is an ordinary answer.
 * Each method is atomic: of two calls at once, one comes wholly before the other. No call ever brings an ended session
 * back, and every key that a call leaves behind expires.
 */
export interface SessionStore {
  /** Reads a session. A rotated session within its grace answers with its successor. */
  load(id: string, call: StoreCall): Promise<SessionRecord | null>

  /** Extends the idle expiry: now + idle timeout, at most the deadline. Does nothing (`ok`) within `every` ms of the last time. */
  touch(ref: SessionRef, every: number, call: StoreCall): Promise<Reply<Accessed>>

  /** Writes a request's changes, all or nothing, and extends the idle expiry. */
  commit(ref: SessionRef, changes: Changes, call: StoreCall): Promise<Reply<Committed> | IncrementRefused>

  /** Sets one field to `next` if it still is `expected` (`null`: absent), and extends the idle expiry. */
  update(
    ref: SessionRef,
    field: string,
    expected: string | null,
    next: string | null,
    call: StoreCall,
  ): Promise<Reply<Accessed> | Conflict>

  /** Begins a session; with a user id, within the user's limit. */
  create(session: NewSession, call: StoreCall): Promise<{ status: 'ok'; now: number } | { status: 'full' }>

  /** Gives the session the id `to`. The old id leads to it for `grace` ms, then to nothing, and is remembered for `reuseWindow` ms. */
  rotate(ref: SessionRef, to: string, options: RotateOptions, call: StoreCall): Promise<Reply<Accessed>>

  /** Ends the session. */
  destroy(ref: SessionRef, call: StoreCall): Promise<Reply<{ now: number }>>

  /** Milliseconds until the session expires, or `null` if there is none. */
  timeToLive(id: string, call: StoreCall): Promise<number | null>

  /** How many sessions are alive. */
  count(call: StoreCall): Promise<number>

  /** Up to `limit` live sessions, the last accessed first, without the application's fields. */
  recent(limit: number, call: StoreCall): Promise<SessionRecord[]>

  /** The store's clock as far as this process knows it, or `null` before it has heard from the store. */
  now(): number | null

  /** Stops what the store itself has started. Never closes a client that it was given. */
  close(): Promise<void>
}

/** A session to act on: its id and, as far as the caller knows, its user. */
export interface SessionRef {
  readonly id: string
  readonly userId: string | null
}

/** A session as stored. */
export interface SessionRecord extends SessionRef {
  readonly createdAt: number
  readonly lastAccessedAt: number
  /** Milliseconds without activity after which the session expires. */
  readonly idleTimeout: number
  /** The instant at which the session ends whatever the activity. */
  readonly deadline: number
  /** Every field exactly as stored, reserved ones included. */
  readonly fields: ReadonlyMap<string, string>
}

/**
 * What became of a call on a session.
 * - `ok`: done.
 * - `ended`: there is no such session; nothing was done.
 * - `moved`: it was rotated to the id `to` and the grace lasts; nothing was done: call again with `to`.
 * - `sealed`: a login is taking it over; nothing was done: call again in a moment.
 */
export type Reply<T> = Ok<T> | NotDone

/** A call that was done, and what it found. */
export type Ok<T> = { status: 'ok' } & T

/** The answers that all operations share when nothing was done. */
export type NotDone = Ended | Moved | { status: 'sealed' }

/** There is no such session. */
export type Ended = { status: 'ended' }

/** The session has another id now. */
export type Moved = { status: 'moved'; to: string }

/** When the session was last accessed, now that the call is done. */
export interface Accessed {
  readonly lastAccessedAt: number
}

/** A commit that was done. */
export interface Committed extends Accessed {
  /** The new values, in the order of {@link Changes.increments}. */
  readonly increments: readonly number[]
}

/** A commit refused because of an increment; nothing was written. */
export type IncrementRefused = { status: 'not-integer' | 'out-of-range'; field: string }

/** An update that was not done: the field holds `actual` (`null`: absent), not what was expected. */
export type Conflict = { status: 'conflict'; actual: string | null }

/** What a commit writes. */
export interface Changes {
  /** Encoded values by field. */
  readonly set: ReadonlyMap<string, string>
  readonly remove: readonly string[]
  readonly increments: readonly (readonly [field: string, by: number])[]
  /** Removes every application field that is not in `set`. */
  readonly replace: boolean
  /** A new idle timeout in milliseconds. */
  readonly idleTimeout: number | null
}

/** A session to begin. */
export interface NewSession extends SessionRef {
  readonly idleTimeout: number
  /** Milliseconds from now to the deadline. */
  readonly lifetime: number
  /** Encoded values of the application's fields. */
  readonly data: ReadonlyMap<string, string>
  readonly maxPerUser: UserLimit
}

/** How many sessions a user may have, and what a further one does: end the oldest, or be refused. */
export interface UserLimit {
  readonly limit: number
  readonly whenFull: 'evict-oldest' | 'refuse'
}

/** Times of a rotation, in milliseconds. */
export interface RotateOptions {
  readonly grace: number
  readonly reuseWindow: number
}

/** One call under a deadline. */
export interface StoreCall {
  /** Aborted at the deadline: a command still waiting in a client's queue is then withdrawn. Made when first asked for. */
  readonly signal: AbortSignal
  /** True once the deadline has passed: stop retrying. */
  readonly expired: boolean
  /** What the deadline's error says of the outcome while a command is in flight; a store may lower it to `'none'`. */
  outcome: Outcome
}
