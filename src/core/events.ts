import { randomUUID } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { Note, SessionStore, StoreEvent } from './store.ts'
import { warnOnce } from './warn.ts'

/** What can become of a session, by the name under which `sessions.on` tells it. */
export interface SessionEvents {
  /** A session has begun. */
  created: SessionEvent
  /** A user has logged in. `previous`: the session that ended with it. */
  login: SessionEvent
  /** A session has another token; `id` is its new id. `cause`: `rotate`, `periodic`, `login` (of the same user), `roles`. */
  rotated: SessionEvent
  /** A session was ended by its owner: `logout`, `destroy`; or by the `login` that took its place. */
  destroyed: SessionEvent
  /** A session was ended from outside: `revoke`, `device`, `others`, `all`, `everyone`, `reuse`. */
  revoked: SessionEvent
  /** A session was ended because its user has too many: `limit`. */
  evicted: SessionEvent
  /** A session's roles were changed for its user: `roles`. */
  roles: SessionEvent
  /** A token was used that had been rotated away: it may have been stolen, or an answer got lost. `id`: the session it once led to. */
  reuse: SessionEvent
  /** A login was refused: `limit`, or `revoked` (a log-out-everywhere came later than its start). Told in this process only. */
  refused: SessionEvent
}

/** Something that has become of a session. Never holds a token or data. */
export interface SessionEvent {
  readonly type: keyof SessionEvents
  /** The session's public id; `null` where none has begun. */
  readonly id: string | null
  readonly userId: string | null
  /** Why; see {@link SessionEvents}. */
  readonly cause: string
  /** Who had it done, as the application said it. */
  readonly actor: string | null
  /** The id before, where the session has another one now. */
  readonly previous: string | null
  /** Epoch milliseconds by the store's clock, where it said. */
  readonly at: number | null
  /** Whether this process did it. */
  readonly local: boolean
}

type Listener = (event: SessionEvent) => void

/** The `node:diagnostics_channel` on which every event is published. */
const diagnostics = channel('coatcheck:session')

/**
 * Tells listeners what becomes of sessions: at once what this process does, by the store what others do. The store is asked
 * for that only when somebody listens.
 */
export class Events {
  readonly #store: SessionStore
  readonly #emitter = new EventEmitter({ captureRejections: false }).setMaxListeners(0)
  readonly #from = randomUUID()
  readonly #missed = new Set<() => void>()
  #subscription: Promise<() => Promise<void>> | null = null
  /** What this process has done, by type and cause. */
  readonly counts: Partial<Record<keyof SessionEvents, Record<string, number>>> = {}

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** What a call to the store says of itself. */
  note(
    type: keyof SessionEvents,
    cause: string,
    actor: string | null | undefined = null,
    previous: string | null = null,
  ): Note {
    return { from: this.#from, type, cause, actor: actor ?? null, previous }
  }

  on(type: keyof SessionEvents, listener: Listener): () => void {
    this.#emitter.on(type, listener)
    this.listen().catch(notListening)
    return () => void this.#emitter.off(type, listener)
  }

  /** Listens to other processes, from when the promise resolves. */
  async listen(): Promise<void> {
    this.#subscription ??= this.#store.subscribe(
      (event) => this.#hear(event),
      () => {
        for (const listener of this.#missed) listener()
      },
    )
    try {
      await this.#subscription
    } catch (error) {
      this.#subscription = null
      throw error
    }
  }

  /** Calls `listener` when events of other processes may have been lost. Returns a function that stops it. */
  onMissed(listener: () => void): () => void {
    this.#missed.add(listener)
    return () => void this.#missed.delete(listener)
  }

  /** Tells what this process has done. */
  tell(event: Omit<SessionEvent, 'actor' | 'previous' | 'at' | 'local'> & Partial<SessionEvent>): void {
    const causes = this.counts[event.type] ?? {}
    causes[event.cause] = (causes[event.cause] ?? 0) + 1
    this.counts[event.type] = causes
    this.#emit({ actor: null, previous: null, at: null, ...event, local: true })
  }

  /** Tells what a call to the store has done. */
  tellOf({ type, cause, actor, previous }: Note, id: string, userId: string | null, at: number | null = null): void {
    this.tell({ type: type as keyof SessionEvents, id, userId, cause, actor, previous, at })
  }

  async close(): Promise<void> {
    const subscription = this.#subscription
    this.#subscription = null
    this.#emitter.removeAllListeners()
    this.#missed.clear()
    await (await subscription?.catch(notListening))?.()
  }

  #hear({ from, type, ...event }: StoreEvent): void {
    if (from === this.#from) return // guard: told already
    this.#emit({ ...event, type: type as keyof SessionEvents, local: false })
  }

  /** A listener that throws is its application's mistake: it must not break the request that is served, nor the others. */
  #emit(event: SessionEvent): void {
    if (diagnostics.hasSubscribers) diagnostics.publish(event)
    for (const listener of this.#emitter.listeners(event.type)) {
      try {
        listener(event)
      } catch (error) {
        process.nextTick(rethrow, error)
      }
    }
  }
}

function rethrow(error: unknown): never {
  throw error
}

function notListening(): undefined {
  warnOnce(
    'COATCHECK_EVENTS',
    'The store could not be listened to, so events of other processes are not told here. Said once.',
  )
}
