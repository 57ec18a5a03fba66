import { giveUp } from './deadline.ts'
import { SessionEndedError } from './errors.ts'
import { Events } from './events.ts'
import { type CompareAndSet, FieldUpdates } from './field-updates.ts'
import { follow } from './follow.ts'
import type { Settings } from './options.ts'
import { RequestCounts } from './request-counts.ts'
import type {
  Accessed,
  Adopted,
  Conflict,
  Note,
  Ok,
  Reused,
  SessionRecord,
  SessionRef,
  SessionStore,
  StoreCall,
} from './store.ts'
import { StoreCalls } from './store-calls.ts'

type Found = SessionRecord | Reused | Adopted | null

/** Whether an id leads to a session, or to nothing at all. */
export function isSession(found: Found): found is SessionRecord | null {
  return found === null || !('status' in found)
}

/**
 * What requests and the API without a request have in common: the settings, the events, every store call with its deadline. What
 * is done to a session, by id and in encoded fields, is here or, by what it does, in a file of its own: `creations`, `commits`,
 * `touches`, `rotations`, `seals`.
 */
export class Operations {
  readonly settings: Settings
  readonly events: Events
  readonly requests: RequestCounts
  readonly calls: StoreCalls
  /** Touches on their way, by session id. */
  readonly touching: Map<string, Promise<number | null>> = new Map()
  readonly #store: SessionStore
  readonly #reuseNote: Note
  readonly #updates: FieldUpdates

  constructor(settings: Settings, events: Events = new Events(settings.store)) {
    this.settings = settings
    this.events = events
    this.#store = settings.store
    this.#reuseNote = events.note('reuse', 'reuse')
    this.requests = new RequestCounts(Math.max(1000, settings.touch.longest))
    this.calls = new StoreCalls(settings.store, settings.storeTimeout)
    this.#updates = new FieldUpdates(this.#compareAndSet, this.calls, settings)
  }

  /** @param byToken whether somebody came with a token that leads here, so that its use after a rotation is noticed */
  async load(id: string, byToken = false): Promise<SessionRecord | null> {
    const found = await this.find(id, byToken)
    return isSession(found) ? found : this.gone(found)
  }

  /** The same, for a request: what is found may be gone. */
  find(id: string, byToken = true): Promise<Found> {
    return this.call('load', (call) => this.#store.load(id, byToken ? this.#reuseNote : null, call))
  }

  /** Tells of the use of a token whose grace is over, if that was what was found. */
  async gone(found: Reused | Adopted): Promise<null> {
    if (found.status === 'reused' && found.first) await this.#reused(found.successor)
    return null
  }

  /** The session that an id leads to by now, over all its rotations, however long ago; `null`: it has ended. */
  trace(id: string): Promise<SessionRecord | null> {
    return this.call('load', async (call) => {
      let at = id
      while (true) {
        const found = await this.#store.load(at, null, call)
        if (isSession(found)) return found
        if (found.status === 'adopted') return null // guard: another store
        if (call.expired) giveUp(call) // guard: deadline
        at = found.successor
      }
    })
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
    this.events.tellOf(note, id, reply.userId, reply.now)
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
    while (this.touching.size > 0) await Promise.all(this.touching.values())
    this.events.close()
    this.calls.close()
    await this.#store.close()
  }

  readonly #compareAndSet: CompareAndSet = async (ref, field, expected, next, call) => {
    let current = expected
    while (true) {
      const text = next(current)
      const { reply } = await follow<Ok<Accessed> | Conflict>(ref, call, (at) =>
        this.#store.update(at, field, current, text, this.settings.touch, call),
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
    this.events.tellOf(this.#reuseNote, successor, record?.userId ?? null, null)
    if (this.settings.revokeOnReuse && record !== null) await this.destroy(record, this.events.note('revoked', 'reuse'))
  }
}
