import { setTimeout as pause } from 'node:timers/promises'
import { giveUp, withDeadline } from './deadline.ts'
import { CoatcheckError, FieldError, SessionEndedError, UserLimitError } from './errors.ts'
import { type CompareAndSet, FieldUpdates } from './field-updates.ts'
import { checkSizes } from './fields.ts'
import { type Settings, touchEvery } from './options.ts'
import type {
  Accessed,
  Changes,
  Committed,
  Conflict,
  Ended,
  IncrementRefused,
  Moved,
  NewSession,
  NotDone,
  Ok,
  SessionRecord,
  SessionRef,
  StoreCall,
} from './store.ts'
import { idOfToken, newToken, newTokenBeside, type Token } from './token.ts'
import { warnOnce } from './warn.ts'

/** No changes: what a commit with none of one kind is built from. */
export const NO_CHANGES: Changes = { set: new Map(), remove: [], increments: [], replace: false, idleTimeout: null }

/** What the store said, and the session's id by now: it may have been rotated. */
interface At<T> {
  readonly reply: T
  readonly id: string
}

/**
 * The life of a session, by id and in encoded fields: every store call with its deadline, the way from a rotated id to its
 * successor, the wait for a login in progress. What requests and the API without a request have in common.
 */
export class Operations {
  readonly settings: Settings
  readonly #updates: FieldUpdates
  readonly #touching = new Map<string, Promise<number | null>>()

  constructor(settings: Settings) {
    this.settings = settings
    this.#updates = new FieldUpdates(this.#compareAndSet, settings)
  }

  load(id: string): Promise<SessionRecord | null> {
    return this.#call('load', (call) => this.settings.store.load(id, call))
  }

  /**
   * Whether a touch is due, by this process's idea of the store's clock. A wrong guess costs one command: the store checks again.
   */
  touchIsDue(record: Pick<SessionRecord, 'lastAccessedAt' | 'idleTimeout'>): boolean {
    const now = this.settings.store.now()
    return now === null || now - record.lastAccessedAt >= touchEvery(this.settings, record.idleTimeout)
  }

  /**
   * Touches a session if it is due. One touch in flight per session: more would say the same. Fails soft, with a warning:
   * a read never fails because its touch did.
   * @returns when it was last accessed, or `null` if that is not known
   */
  touchSoftly(record: SessionRecord): Promise<number | null> {
    const running = this.#touching.get(record.id)
    if (running !== undefined) return running
    const touch = this.#touch(record, touchEvery(this.settings, record.idleTimeout))
      .then(
        (reply) => (reply.status === 'ok' ? reply.lastAccessedAt : null),
        (error: unknown) => {
          const code = error instanceof CoatcheckError ? error.code : 'an unexpected error'
          warnOnce('COATCHECK_TOUCH_FAILED', `A touch failed (${code}); the session may expire early. Said once.`)
          return null
        },
      )
      .finally(() => this.#touching.delete(record.id))
    this.#touching.set(record.id, touch)
    return touch
  }

  /** Extends the idle expiry now. @returns whether there is such a session */
  async touch(ref: SessionRef): Promise<boolean> {
    return (await this.#touch(ref, 0)).status === 'ok'
  }

  /** @throws SessionEndedError, FieldError (increments, too large), StoreError */
  async commit(ref: SessionRef, changes: Changes): Promise<Committed & { id: string }> {
    checkSizes(changes.set, this.settings.maxValueBytes) // guard: value size
    const { reply, id } = await this.#call('commit', (call) =>
      this.#follow<Ok<Committed> | IncrementRefused>(ref, call, (at) => this.settings.store.commit(at, changes, call)),
    )
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
   * @throws FieldError (too large), UserLimitError, StoreError
   */
  async create(
    options: Pick<NewSession, 'userId' | 'data'> & { idleTimeout: number; lifetime: number },
  ): Promise<{ token: Token; id: string; now: number }> {
    checkSizes(options.data, this.settings.maxValueBytes) // guard: value size
    const token = newToken(options.userId)
    const id = idOfToken(token)
    const session: NewSession = { ...options, id, maxPerUser: this.settings.maxPerUser }
    const reply = await withDeadline(
      this.settings.storeTimeout,
      'create',
      (call) => this.settings.store.create(session, call),
      () => void this.destroy(session).catch(endsByItself), // guard: late create
    )
    if (reply.status === 'full') throw new UserLimitError(this.settings.maxPerUser.limit) // guard: user limit
    return { token, id, now: reply.now }
  }

  /**
   * Gives the session a new token. A session that another request has just rotated is not rotated again: its response
   * carries the new token, and this one has none to give.
   * @returns the session's id and its new token, or `null` in place of it
   * @throws SessionEndedError, StoreError
   */
  rotate(ref: SessionRef): Promise<{ id: string; token: Token | null; lastAccessedAt: number }> {
    const { store, rotationGrace: grace, reuseWindow } = this.settings
    const token = newTokenBeside(ref.id)
    const id = idOfToken(token)
    return this.#call('rotate', async (call) => {
      const reply = await this.#unsealed<Ok<Accessed>>(call, () => store.rotate(ref, id, { grace, reuseWindow }, call))
      if (reply.status === 'ok') return { id, token, lastAccessedAt: reply.lastAccessedAt }
      // The successor may have been rotated again, or have ended.
      const successor = reply.status === 'moved' ? await store.load(reply.to, call) : null
      if (successor === null) throw new SessionEndedError() // guard: ended
      return { id: successor.id, token: null, lastAccessedAt: successor.lastAccessedAt }
    })
  }

  /** @returns whether there was such a session */
  async destroy(ref: SessionRef): Promise<boolean> {
    const { reply } = await this.#call('destroy', (call) =>
      this.#follow<Ok<object>>(ref, call, (at) => this.settings.store.destroy(at, call)),
    )
    return reply.status === 'ok'
  }

  timeToLive(id: string): Promise<number | null> {
    return this.#call('timeToLive', (call) => this.settings.store.timeToLive(id, call))
  }

  count(): Promise<number> {
    return this.#call('count', (call) => this.settings.store.count(call))
  }

  recent(limit: number): Promise<SessionRecord[]> {
    return this.#call('recent', (call) => this.settings.store.recent(limit, call))
  }

  /** Waits for the touches on their way, then closes the store. */
  async close(): Promise<void> {
    await Promise.all(this.#touching.values())
    await this.settings.store.close()
  }

  async #touch(ref: SessionRef, every: number): Promise<Ok<Accessed> | Ended> {
    const { reply } = await this.#call('touch', (call) =>
      this.#follow<Ok<Accessed>>(ref, call, (at) => this.settings.store.touch(at, every, call)),
    )
    return reply
  }

  readonly #compareAndSet: CompareAndSet = async (ref, field, expected, next, call) => {
    let current = expected
    while (true) {
      const text = next(current)
      const { reply } = await this.#follow<Ok<Accessed> | Conflict>(ref, call, (at) =>
        this.settings.store.update(at, field, current, text, call),
      )
      if (reply.status === 'ok') return
      if (reply.status === 'ended') throw new SessionEndedError() // guard: ended
      if (call.expired) giveUp(call) // guard: deadline
      current = reply.actual
    }
  }

  #call<T>(operation: string, run: (call: StoreCall) => Promise<T>): Promise<T> {
    return withDeadline(this.settings.storeTimeout, operation, run)
  }

  /** Calls again with the successor's id when the session turns out to have been rotated. */
  async #follow<Reply extends { status: string }>(
    ref: SessionRef,
    call: StoreCall,
    act: (ref: SessionRef) => Promise<Reply | NotDone>,
  ): Promise<At<Reply | Ended>> {
    let at = ref
    while (true) {
      const reply = await this.#unsealed<Reply>(call, () => act(at))
      if (!isMoved(reply)) return { reply, id: at.id }
      if (call.expired) giveUp(call) // guard: deadline
      at = { id: reply.to, userId: ref.userId }
    }
  }

  /** Calls again while a login is taking the session over, as long as the deadline lasts; then the session has ended. */
  async #unsealed<Reply extends { status: string }>(
    call: StoreCall,
    act: () => Promise<Reply | NotDone>,
  ): Promise<Reply | Ended | Moved> {
    for (let wait = 5; !call.expired; wait = Math.min(2 * wait, 50)) {
      const reply = await act()
      if (!isSealed(reply)) return reply
      await pause(wait, undefined, { signal: call.signal }).catch(deadlinePassed)
    }
    return { status: 'ended' }
  }
}

function isMoved(reply: { status: string }): reply is Moved {
  return reply.status === 'moved'
}

function isSealed(reply: { status: string }): reply is { status: 'sealed' } {
  return reply.status === 'sealed'
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

/** A session whose token nobody ever received needs no second attempt to end it: its idle timeout does. */
function endsByItself(): void {}

/** The pause was cut short because the call has expired, which is checked next. */
function deadlinePassed(): void {}
