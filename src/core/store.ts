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
  /**
   * Reads a session. A rotated session within its grace answers with its successor, afterwards with `reused`; one that goes on
   * in another store with `adopted`, as long as its release has said.
   * @param reuse if a token was used that leads here: what to tell of its first use after the grace
   */
  load(id: string, reuse: Note | null, call: StoreCall): Promise<SessionRecord | Reused | Adopted | null>

  /**
   * Extends the idle expiry: now + idle timeout, at most the deadline; not (`ok`) within `every` ms of the last time. Adds
   * `requests` to the session's count.
   */
  touch(ref: SessionRef, every: number, requests: number, call: StoreCall): Promise<Reply<Accessed>>

  /**
   * Sets fields of a session that is plainly alive: no access, nothing else changes.
   * @returns `false` if it is not that plain (it may have ended, moved, be sealed), and nothing was written: `commit` finds out
   */
  write(id: string, set: ReadonlyMap<string, string>, call: StoreCall): Promise<boolean>

  /** Writes a request's changes, all or nothing, and extends the idle expiry if that is due or the idle timeout is another one. */
  commit(
    ref: SessionRef,
    changes: Changes,
    touch: TouchRule,
    call: StoreCall,
  ): Promise<Reply<Committed> | IncrementRefused>

  /** Sets one field to `next` if it still is `expected` (`null`: absent), and extends the idle expiry if that is due. */
  update(
    ref: SessionRef,
    field: string,
    expected: string | null,
    next: string | null,
    touch: TouchRule,
    call: StoreCall,
  ): Promise<Reply<Accessed> | Conflict>

  /**
   * Begins a session. With a user id: within the user's limit, in place of the user's session on the same device, and not
   * (`revoked`) when the user has been logged out everywhere since the login began, and not (`ended`) under an id that is
   * remembered as over.
   */
  create(
    session: NewSession,
    call: StoreCall,
  ): Promise<Ok<Created> | Ended | { status: 'full' } | { status: 'revoked' }>

  /** Gives the session the id `to`. The old id leads to it for `grace` ms, then to nothing, and is remembered for `reuseWindow` ms. */
  rotate(ref: SessionRef, to: string, rotation: Rotation, call: StoreCall): Promise<Reply<Accessed>>

  /**
   * Hands the session to a login: for `ms`, or until it is released, everybody else's call answers `sealed`. With 0 ms, gives it
   * back (and answers `ended`).
   */
  seal(ref: SessionRef, by: string, ms: number, call: StoreCall): Promise<Reply<{ record: SessionRecord }>>

  /**
   * Ends a session sealed by `by`. `ended`: it is gone already. `lapsed`: the seal was not to the end; nothing was done.
   * @param pointer leaves behind which session of another store goes on in its place
   */
  release(
    ref: SessionRef,
    by: string,
    pointer: Pointer | null,
    note: Note,
    call: StoreCall,
  ): Promise<Ok<object> | Ended | { status: 'lapsed' }>

  /**
   * Ends the session, also while a login is taking it over (never `sealed`), and says whose it was.
   * @param remember for so many ms nothing can be created under this id, also if there is no such session; default 0
   */
  destroy(
    ref: SessionRef,
    note: Note,
    call: StoreCall,
    remember?: number,
  ): Promise<Reply<{ now: number; userId: string | null }>>

  /** The user's live sessions, without the application's fields. */
  listUser(userId: string, call: StoreCall): Promise<SessionRecord[]>

  /**
   * Ends sessions of the user, all but `keep` (`more`: call again), and has logins of the user that began before fail with `revoked`. `ended`: there is
   * no session `keep`, and nothing was done.
   */
  revokeUser(
    userId: string,
    keep: string | null,
    note: Note,
    call: StoreCall,
  ): Promise<Ok<{ ids: string[]; more: boolean }> | Ended>

  /** Gives all the user's sessions other roles (encoded; `null`: none). Resolves with their ids. */
  setUserRoles(userId: string, roles: string | null, note: Note, call: StoreCall): Promise<string[]>

  /** Has logins of anybody that began before fail with `revoked`. */
  revokeLogins(call: StoreCall): Promise<void>

  /** The sessions of one of the 256 partitions. */
  partition(partition: number, call: StoreCall): Promise<SessionRef[]>

  /** Milliseconds until the session expires, or `null` if there is none. */
  timeToLive(id: string, call: StoreCall): Promise<number | null>

  /** How many sessions are alive. */
  count(call: StoreCall): Promise<Counts>

  /** How many users have a live session; `null` without monitoring. */
  countUsers(call: StoreCall): Promise<number | null>

  /** How many sessions were last accessed within each of these times, in milliseconds. */
  countByIdleAge(limits: readonly number[], call: StoreCall): Promise<number[]>

  /** Up to `limit` live sessions, the last accessed first, without the application's fields but `fields`. */
  recent(limit: number, page: Page, call: StoreCall): Promise<SessionRecord[]>

  /**
   * Has `listener` told of what all processes do to sessions: of each partition's in the order in which it happens. `missed`:
   * messages may have been lost, since the connection was.
   */
  subscribe(listener: (event: StoreEvent) => void, missed: () => void): Subscription

  /**
   * The store's clock as far as this process knows it, or `null` before it has heard from the store. A store of several servers
   * has several clocks: then it is that of the server which holds the session with this id.
   */
  now(id?: string): number | null

  /**
   * Stops what the store itself has started; a `subscribe` that has not come to anything yet rejects. Never closes a client that
   * it was given.
   */
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

/** A session that has begun, and those that it ended. */
export interface Created {
  readonly now: number
  /** A session with this id was there already; nothing was written. */
  readonly existed: boolean
  /** Ids of sessions that ended at the user's limit. */
  readonly evicted: readonly string[]
  /** Ids of sessions that ended because this one is on the same device. */
  readonly replaced: readonly string[]
}

/** The session was rotated to another id, and the grace is over. */
export interface Reused {
  readonly status: 'reused'
  /** The id that it was rotated to. */
  readonly successor: string
  /** Whether its token was used for the first time since. */
  readonly first: boolean
}

/** The session goes on in another store, which has adopted it: here it has ended. */
export interface Adopted {
  readonly status: 'adopted'
  /** Its id there. */
  readonly successor: string
}

/** Which session of another store goes on in place of one that ends. */
export interface Pointer {
  readonly successor: string
  /** For how many milliseconds that is told. */
  readonly ms: number
  /** For how many milliseconds nothing can be created under the old id. */
  readonly remember: number
}

/** How many sessions are alive, without and with a user. */
export interface Counts {
  readonly guests: number
  readonly members: number
}

/** Which part of a list. */
export interface Page {
  /** Only what comes after this session in the list. */
  readonly after: { readonly id: string; readonly lastAccessedAt: number } | null
  /** The application's fields to read. */
  readonly fields: readonly string[]
}

/** What a call says of itself, for those who are told what has become of sessions. */
export interface Note {
  /** Which call of which process it is: no other has the same. */
  readonly from: string
  readonly type: string
  readonly cause: string
  /** Who had it done: what the application says, such as a user id. */
  readonly actor: string | null
  /** The id that the session had before, or the session that it takes the place of. */
  readonly previous: string | null
}

/** Somebody who listens to a store. */
export interface Subscription {
  /** Resolves once nothing is missed any more; rejects when nobody goes on trying. */
  readonly ready: Promise<void>
  /** Stops listening, also before it is ready (`ready` then rejects). Nothing keeps the process alive afterwards. */
  end(): void
}

/** What has become of a session, as stores tell it. */
export interface StoreEvent extends Note {
  readonly id: string
  readonly userId: string | null
  readonly at: number
}

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
  /** Adds to the session's count of requests. */
  readonly requests: number
}

/**
 * When a write extends the idle expiry: if the session was last accessed so long ago, or a part of its idle timeout ago. Else a
 * session that is written to again and again would be entered in every index each time, which is most of what a write costs.
 */
export interface TouchRule {
  /** Milliseconds. 0: with every write. */
  readonly longest: number
  /** Of the idle timeout: 20 is a twentieth. */
  readonly parts: number
}

/** A session to begin. */
export interface NewSession extends SessionRef {
  readonly idleTimeout: number
  /** Milliseconds from now to the deadline. */
  readonly lifetime: number
  /** Encoded values: the application's fields, and coatcheck's own that say more than when and who. */
  readonly fields: ReadonlyMap<string, string>
  readonly maxPerUser: UserLimit
  /** When the attempt to begin it began, by `performance.now()` of this process. */
  readonly begun: number
  /** Id of a session of the same user that is about to end for this one: it does not count for the limit. */
  readonly takesOver?: string
  readonly note: Note
}

/** How many sessions a user may have, and what a further one does: end the oldest, or be refused. */
export interface UserLimit {
  readonly limit: number
  readonly whenFull: 'evict-oldest' | 'refuse'
}

/** What a rotation does. Times in milliseconds. */
export interface Rotation {
  readonly grace: number
  readonly reuseWindow: number
  /** Begins anew with these limits, as a login does, from now. */
  readonly renew: { readonly idleTimeout: number; readonly lifetime: number } | null
  /** Encoded values of coatcheck's own fields. */
  readonly set: ReadonlyMap<string, string>
  readonly remove: readonly string[]
  readonly note: Note
}

/** One call under a deadline. */
export interface StoreCall {
  /** Aborted at the deadline: a command still waiting in a client's queue is then withdrawn. Made when first asked for. */
  readonly signal: AbortSignal
  /** True once the deadline has passed: stop retrying. */
  readonly expired: boolean
  /** Milliseconds until then. */
  readonly remaining: number
  /** Why a call that is still being tried has not been carried out so far: at the deadline, this is what is said. */
  refusal?: Error | undefined
  /** What the deadline's error says of the outcome while a command is in flight; a store may lower it to `'none'`. */
  outcome: Outcome
}
