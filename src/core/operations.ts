import { setImmediate as nextTurn } from 'node:timers/promises'
import { giveUp } from './deadline.ts'
import { FieldError, LoginRevokedError, SessionEndedError, StoreError, UserLimitError } from './errors.ts'
import { Events } from './events.ts'
import { type CompareAndSet, FieldUpdates } from './field-updates.ts'
import { checkSizes } from './fields.ts'
import { follow, unsealed } from './follow.ts'
import { type Settings, touchEvery } from './options.ts'
import { RequestCounts } from './request-counts.ts'
import type {
  Accessed,
  Changes,
  Committed,
  Conflict,
  Created,
  Ended,
  IncrementRefused,
  NewSession,
  Note,
  Ok,
  Rotation,
  SessionRecord,
  SessionRef,
  SessionStore,
  StoreCall,
  TouchRule,
} from './store.ts'
import { StoreCalls } from './store-calls.ts'
import { idOfToken, newToken, newTokenBeside, type Token } from './token.ts'
import { warnLater } from './warn.ts'

/** No changes: what a commit with none of one kind is built from. */
export const NO_CHANGES: Changes = {
  set: new Map(),
  remove: [],
  increments: [],
  replace: false,
  idleTimeout: null,
  requests: 0,
}

/** So many fields a plain write sets at most. */
const PLAIN = 1000

/** A session to begin; its id is made here. */
export type CreateSession = Omit<NewSession, 'id' | 'maxPerUser'>

/** A session that has just begun, and the token that leads to it. */
export interface Started {
  readonly token: Token
  readonly record: SessionRecord
}

/** A session of which is known when it was last accessed. */
export type SeenRef = SessionRef & Pick<SessionRecord, 'lastAccessedAt' | 'idleTimeout'>

/** A rotation, less what the configuration says. */
type Renewal = Pick<Rotation, 'note' | 'renew' | 'set' | 'remove'>

/**
 * The life of a session, by id and in encoded fields: every store call with its deadline, the way from a rotated id to its
 * successor, the wait for a login in progress. What requests and the API without a request have in common.
 */
export class Operations {
  readonly #settings: Settings
  readonly #events: Events
  readonly requests: RequestCounts
  readonly calls: StoreCalls
  readonly #store: SessionStore
  readonly #reuseNote: Note
  readonly #updates: FieldUpdates
  readonly #touching = new Map<string, Promise<number | null>>()

  constructor(settings: Settings, events: Events = new Events(settings.store)) {
    this.#settings = settings
    this.#events = events
    this.#store = settings.store
    this.#reuseNote = events.note('reuse', 'reuse')
    this.requests = new RequestCounts(Math.max(1000, settings.touch.longest))
    this.calls = new StoreCalls(settings.store, settings.storeTimeout)
    this.#updates = new FieldUpdates(this.#compareAndSet, this.calls, settings)
  }

  get settings(): Settings {
    return this.#settings
  }

  get events(): Events {
    return this.#events
  }

  /** @param byToken whether somebody came with a token that leads here, so that its use after a rotation is noticed */
  async load(id: string, byToken = false): Promise<SessionRecord | null> {
    const reuse = byToken ? this.#reuseNote : null
    const found = await this.call('load', (call) => this.#store.load(id, reuse, call))
    if (found === null || !('status' in found)) return found
    if (found.status === 'reused' && found.first) await this.#reused(found.successor)
    return null
  }

  /** The session that an id leads to by now, over all its rotations, however long ago; `null`: it has ended. */
  trace(id: string): Promise<SessionRecord | null> {
    return this.call('load', async (call) => {
      let at = id
      while (true) {
        const found = await this.#store.load(at, null, call)
        if (found === null || !('status' in found)) return found
        if (found.status === 'adopted') return null // guard: another store
        if (call.expired) giveUp(call) // guard: deadline
        at = found.successor
      }
    })
  }

  /**
   * Whether a touch is due, by this process's idea of the store's clock. A wrong guess costs one command: the store checks again.
   */
  touchIsDue(
    { id, lastAccessedAt, idleTimeout }: Omit<SeenRef, 'userId'>,
    touch: TouchRule = this.#settings.touch,
  ): boolean {
    const now = this.#store.now(id)
    return now === null || now - lastAccessedAt >= touchEvery({ touch }, idleTimeout)
  }

  /** Whether the store is to be told at once of requests that no write has told it of: the count is exact then. */
  countIsDue({ id, idleTimeout }: SessionRecord): boolean {
    return touchEvery(this.#settings, idleTimeout) === 0 && this.requests.of(id) > 0
  }

  /** Whether a session is due for a new token. */
  rotationIsDue(record: SessionRecord | null): boolean {
    const { rotateEvery, store } = this.#settings
    if (record === null || rotateEvery === null) return false
    const now = store.now(record.id)
    return now !== null && now - Number(record.fields.get('_rotated_at') ?? record.createdAt) >= rotateEvery
  }

  /**
   * Touches a session if it is due. One touch in flight per session: more would say the same, save that with a touch for every
   * request a last one counts those that came meanwhile. Fails soft, with a warning: a read never fails because its touch did.
   * @returns when it was last accessed, or `null` if that is not known
   */
  touchSoftly(record: SessionRecord): Promise<number | null> {
    const running = this.#touching.get(record.id)
    if (running !== undefined) return running
    const every = touchEvery(this.#settings, record.idleTimeout)
    // Those that are being read just now are counted with it.
    const touch = nextTurn()
      .then(() => this.#touch(record, every))
      .then(
        (reply) => (reply.status === 'ok' ? reply.lastAccessedAt : null),
        (error: unknown) => {
          warnLater(({ warnOfTouch }) => warnOfTouch(error))
          return null
        },
      )
      .finally(() => this.#touching.delete(record.id))
    touch.then((touched) => {
      if (touched !== null && this.countIsDue(record)) void this.touchSoftly(record)
    })
    this.#touching.set(record.id, touch)
    return touch
  }

  /** Extends the idle expiry now. @returns whether there is such a session */
  async touch(ref: SessionRef): Promise<boolean> {
    return (await this.#touch(ref, 0)).status === 'ok'
  }

  /**
   * @param ref with what is known of the session: then most commits are a plain write, and count their request later
   * @throws SessionEndedError, FieldError (increments, too large), StoreError
   */
  async commit(
    ref: SessionRef | SeenRef,
    changes: Changes,
    touch: TouchRule = this.#settings.touch,
  ): Promise<Committed & { id: string }> {
    const { store, maxValueBytes } = this.#settings
    checkSizes(changes.set, maxValueBytes) // guard: value size
    const commit = (requests: number, call: StoreCall) =>
      follow<Ok<Committed> | IncrementRefused>(ref, call, (at) =>
        store.commit(at, { ...changes, requests }, touch, call),
      )
    const known = 'lastAccessedAt' in ref && this.#isPlain(ref, changes, touch) ? ref.lastAccessedAt : null
    const { reply, id } =
      known === null
        ? await this.#counting(ref.id, changes.requests, (requests) =>
            this.call('commit', (call) => commit(requests, call)),
          )
        : await this.call('commit', async (call) => {
            const isWritten = await store.write(ref.id, changes.set, call)
            return isWritten ? { reply: writtenAt(known), id: ref.id } : commit(0, call)
          })
    if (reply.status === 'ended') throw new SessionEndedError() // guard: ended
    if (reply.status !== 'ok') throw incrementRefused(reply)
    return { ...reply, id }
  }

  /**
   * Compare-and-set of one field.
   * @returns the field's new encoded text, `null` if removed
   */
  update(
    ref: SessionRef,
    field: string,
    known: string | null,
    change: (current: unknown) => unknown,
  ): Promise<string | null> {
    return this.#updates.run(ref, field, known, change)
  }

  /**
   * Begins a session. If the answer comes after the deadline, the session that nobody will use is ended again.
   * @throws FieldError (too large), UserLimitError, LoginRevokedError, StoreError
   */
  async create(session: CreateSession): Promise<Started> {
    const { userId, fields, idleTimeout, lifetime } = session
    const token = newToken(userId)
    const id = idOfToken(token)
    const { now } = await this.createAs(
      id,
      session,
      () => this.#endUnheard({ id, userId }), // guard: late create
    )
    const all = new Map(fields)
    if (userId !== null) all.set('user_id', userId)
    // An adopted session says for itself when its user logged in.
    if (userId !== null && !all.has('authenticated_at')) all.set('authenticated_at', String(now))
    const times = { createdAt: now, lastAccessedAt: now, idleTimeout, deadline: now + lifetime }
    return { token, record: { id, userId, ...times, fields: all } }
  }

  /**
   * Begins a session under an id that the caller has; not (`existed`) if one is there already.
   * @param late called if the session has begun, but nobody will hear of it
   * @throws SessionEndedError when the id is remembered as over; what {@link Operations.create} throws
   */
  async createAs(id: string, session: CreateSession, late?: () => void): Promise<Created> {
    const { store, maxPerUser, maxValueBytes } = this.#settings
    const { userId, note } = session
    checkSizes(session.fields, maxValueBytes) // guard: value size
    const create = (call: StoreCall) => unlessDone(store.create({ ...session, id, maxPerUser }, call), late)
    const reply = await this.calls.run('create', create, late)
    if (reply.status === 'ended') throw new SessionEndedError() // guard: ended
    if (reply.status !== 'ok') {
      this.#events.tellOf(this.#events.note('refused', reply.status === 'full' ? 'limit' : 'revoked'), null, userId)
      throw reply.status === 'full' ? new UserLimitError(maxPerUser.limit) : new LoginRevokedError()
    }
    const { now, existed, evicted, replaced } = reply
    if (existed) return reply
    this.#events.tellOf(note, id, userId, now)
    const ended = { ...note, previous: null }
    for (const old of evicted) this.#events.tellOf({ ...ended, type: 'evicted', cause: 'limit' }, old, userId, now)
    for (const old of replaced) this.#events.tellOf({ ...ended, type: 'revoked', cause: 'device' }, old, userId, now)
    return reply
  }

  /**
   * Gives a session a new token. A session that another request has just rotated is not rotated again: its response
   * carries the new token, and this one has none to give.
   * @returns the session's id and its new token, or `null` in place of it
   * @throws SessionEndedError, StoreError
   */
  rotate(ref: SessionRef, cause = 'rotate'): Promise<{ id: string; token: Token | null; lastAccessedAt: number }> {
    const { store, rotationGrace: grace, reuseWindow } = this.#settings
    const token = newTokenBeside(ref.id)
    const id = idOfToken(token)
    const rotation = {
      grace,
      reuseWindow,
      renew: null,
      set: new Map(),
      remove: [],
      note: this.#events.note('rotated', cause, ref.userId, ref.id),
    }
    return this.call('rotate', async (call) => {
      const reply = await unsealed<Ok<Accessed>>(call, () => store.rotate(ref, id, rotation, call))
      if (reply.status === 'ok') {
        this.#moved(ref.id, id)
        this.#events.tellOf(rotation.note, id, ref.userId, reply.lastAccessedAt)
        return { id, token, lastAccessedAt: reply.lastAccessedAt }
      }
      // The successor may have been rotated again, or have ended.
      const successor = reply.status === 'moved' ? await store.load(reply.to, null, call) : null
      if (successor === null || 'status' in successor) throw new SessionEndedError() // guard: ended
      return { id: successor.id, token: null, lastAccessedAt: successor.lastAccessedAt }
    })
  }

  /**
   * Gives a session a new token, from now on the only one (no grace), and changes coatcheck's own fields in the same step.
   * @returns the session as it is now; `null` if it has ended
   */
  async replaceToken(record: SessionRecord, renewal: Renewal): Promise<Started | null> {
    const { store, reuseWindow } = this.#settings
    const token = newTokenBeside(record.id)
    const id = idOfToken(token)
    const { renew, set, remove } = renewal
    const note = (at: SessionRef) => ({ ...renewal.note, previous: at.id })
    const rotate = (at: SessionRef, call: StoreCall) =>
      store.rotate(at, id, { ...renewal, grace: 0, reuseWindow, note: note(at) }, call)
    const { reply, id: previous } = await this.call('rotate', (call) =>
      follow<Ok<Accessed>>(record, call, (at) =>
        unlessDone(rotate(at, call), () => this.#endUnheard({ ...record, id })),
      ),
    )
    if (reply.status === 'ended') return null
    const now = reply.lastAccessedAt
    this.#moved(previous, id)
    this.#events.tellOf(note({ id: previous, userId: record.userId }), id, record.userId, now)
    const fields = new Map([...record.fields, ...set])
    for (const field of remove) fields.delete(field)
    const times = renew && { createdAt: now, idleTimeout: renew.idleTimeout, deadline: now + renew.lifetime }
    if (renew !== null) fields.set('authenticated_at', String(now))
    return { token, record: { ...record, ...times, id, lastAccessedAt: now, fields } }
  }

  /**
   * Hands a session to a login.
   * @returns the session as it was then, and whose seal it bears; `null` if it has ended
   */
  async seal(ref: SessionRef, ms: number): Promise<{ record: SessionRecord; by: string } | null> {
    const by = newToken()
    const { reply } = await this.call('seal', (call) =>
      follow<Ok<{ record: SessionRecord }>>(ref, call, (at) => this.#store.seal(at, by, ms, call)),
    )
    return reply.status === 'ok' ? { record: reply.record, by } : null
  }

  /** Gives a sealed session back. */
  async unseal(ref: SessionRef, by: string): Promise<void> {
    await this.call('unseal', (call) => this.#store.seal(ref, by, 0, call))
  }

  /** Ends a sealed session. @returns `false` if the seal has not held: then nothing was done */
  async release(ref: SessionRef, by: string, note: Note): Promise<boolean> {
    const { status } = await this.call('release', (call) => this.#store.release(ref, by, null, note, call))
    if (status === 'ok') this.#events.tellOf(note, ref.id, ref.userId, null)
    return status !== 'lapsed'
  }

  /**
   * @param remember for so many ms nothing can be created under this id
   * @returns whether there was such a session
   */
  async destroy(ref: SessionRef, note: Note, remember?: number): Promise<boolean> {
    const { reply, id } = await this.call('destroy', (call) =>
      follow<Ok<{ now: number; userId: string | null }>>(ref, call, (at) =>
        this.#store.destroy(at, note, call, remember),
      ),
    )
    this.requests.take(ref.id)
    if (reply.status !== 'ok') return false
    this.#events.tellOf(note, id, reply.userId, reply.now)
    return true
  }

  timeToLive(id: string): Promise<number | null> {
    return this.call('timeToLive', (call) => this.#store.timeToLive(id, call))
  }

  /** Runs one call to the store: {@link StoreCalls.run}. */
  call<T>(operation: string, run: (call: StoreCall) => Promise<T>): Promise<T> {
    return this.calls.run(operation, run)
  }

  /** Waits for the touches on their way, then closes the store. */
  async close(): Promise<void> {
    while (this.#touching.size > 0) await Promise.all(this.#touching.values())
    this.#events.close()
    this.calls.close()
    await this.#store.close()
  }

  /** Whether a commit does nothing but to set fields, as far as is known, and so many that a script takes them at once. */
  #isPlain(
    ref: SeenRef,
    { set, remove, increments, replace, idleTimeout, requests }: Changes,
    touch: TouchRule,
  ): boolean {
    if (set.size > PLAIN) return false // guard: many fields
    if (remove.length > 0) return false // guard: removals
    if (increments.length > 0) return false // guard: increments
    if (replace) return false // guard: all data
    if (idleTimeout !== null) return false // guard: idle timeout
    if (this.touchIsDue(ref, touch)) return false // guard: touch due
    return set.size > 0 && requests === 0
  }

  async #touch(ref: SessionRef, every: number): Promise<Ok<Accessed> | Ended> {
    const { reply } = await this.#counting(ref.id, 0, (requests) =>
      this.call('touch', (call) =>
        follow<Ok<Accessed>>(ref, call, (at) => this.#settings.store.touch(at, every, requests, call)),
      ),
    )
    return reply
  }

  /** Tells the store of the requests counted since it was last told; when that failed, keeps them for the next time. */
  async #counting<T>(id: string, more: number, run: (requests: number) => Promise<T>): Promise<T> {
    const requests = this.requests.take(id)
    try {
      return await run(requests + more)
    } catch (error) {
      this.requests.add(id, requests)
      throw error
    }
  }

  /** Ends a session whose token nobody has received. */
  #endUnheard({ id, userId }: SessionRef): void {
    this.destroy({ id, userId }, this.#events.note('destroyed', 'timeout')).catch(endsByItself)
  }

  /** A session has another id: what was counted goes with it. */
  #moved(from: string, to: string): void {
    this.requests.add(to, this.requests.take(from))
  }

  readonly #compareAndSet: CompareAndSet = async (ref, field, expected, next, call) => {
    let current = expected
    while (true) {
      const text = next(current)
      const { reply } = await follow<Ok<Accessed> | Conflict>(ref, call, (at) =>
        this.#store.update(at, field, current, text, this.#settings.touch, call),
      )
      if (reply.status === 'ok') return
      if (reply.status === 'ended') throw new SessionEndedError() // guard: ended
      if (call.expired) giveUp(call) // guard: deadline
      current = reply.actual
    }
  }

  /** A token was used whose grace is over: tells of it, and ends the session that it once led to if that is configured. */
  async #reused(successor: string): Promise<void> {
    const record = await this.trace(successor)
    this.#events.tellOf(this.#reuseNote, successor, record?.userId ?? null, null)
    if (this.#settings.revokeOnReuse && record !== null)
      await this.destroy(record, this.#events.note('revoked', 'reuse'))
  }
}

function writtenAt(lastAccessedAt: number): Ok<Committed> {
  return { status: 'ok', lastAccessedAt, increments: [] }
}

function incrementRefused({ status, field }: IncrementRefused): FieldError {
  return status === 'not-integer'
    ? new FieldError(
        'ERR_FIELD_NOT_INTEGER',
        field,
        `The field '${field}' holds no integer, so it cannot be incremented.`,
      )
    : new FieldError('ERR_FIELD_RANGE', field, `The increment would take the field '${field}' past ±(2^53 − 1).`)
}

/** Calls `undo` if what was done fails all the same: no replica has acknowledged it, and the caller gets an error. */
async function unlessDone<T>(doing: Promise<T>, undo?: () => void): Promise<T> {
  try {
    return await doing
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_STORE_REPLICAS') undo?.() // guard: unacknowledged login
    throw error
  }
}

/** A session whose token nobody ever received needs no second attempt to end it: its idle timeout does. */
function endsByItself(): void {}
