import { randomUUID } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { StoreError } from './errors.ts'
import type { Note, SessionStore, StoreEvent, Subscription } from './store.ts'
import { Told } from './told.ts'
import { warnOnce } from './warn.ts'

/** What can become of a session, by the name under which `sessions.on` tells it. */
export interface SessionEvents {
  /** A session has begun. `cause`: `request`, `create`, `adopt` (`previous`: the old one of another library). */
  created: SessionEvent
  /** A user's session has begun. `previous`: the session that ended with it. `cause`: `login`, `create`, `adopt`. */
  login: SessionEvent
  /** A session has another token; `id` is its new id. `cause`: `rotate`, `periodic`, `login` (of the same user), `roles`. */
  rotated: SessionEvent
  /** A session was ended by its owner: `logout`, `destroy`; or by the `login` that took its place; or its `adopt` did not succeed. */
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

type Listener = (event: SessionEvent) => unknown

const TYPES: ReadonlySet<string> = new Set<keyof SessionEvents>([
  ...(['created', 'login', 'rotated', 'destroyed', 'revoked', 'evicted', 'roles', 'reuse', 'refused'] as const),
])

/** The `node:diagnostics_channel` on which every event is published. */
const diagnostics = channel('coatcheck:session')

/**
 * Tells listeners what becomes of sessions: at once what this process does, by the store what others do. The store is asked
 * for that only when somebody listens.
 */
export class Events {
  readonly #store: SessionStore
  readonly #emitter = new EventEmitter({ captureRejections: false }).setMaxListeners(0)
  readonly #process = randomUUID()
  readonly #missed = new Set<() => void>()
  readonly #told = new Told()
  #calls = 0
  #subscription: Subscription | null = null
  #closed = false
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
    return { from: `${this.#process}:${++this.#calls}`, type, cause, actor: actor ?? null, previous }
  }

  on(type: keyof SessionEvents, listener: Listener): () => void {
    this.#emitter.on(type, listener)
    this.listen().catch(() => this.#notListening())
    return () => void this.#emitter.off(type, listener)
  }

  /** Listens to other processes, from when the promise resolves. @throws StoreError */
  async listen(): Promise<void> {
    if (this.#closed) throw closedError()
    this.#subscription ??= this.#store.subscribe(
      (event) => this.#hear(event),
      () => {
        for (const listener of this.#missed) listener()
      },
    )
    const subscription = this.#subscription
    try {
      await subscription.ready
    } catch (error) {
      if (this.#subscription === subscription) this.#subscription = null
      throw error
    }
  }

  /** Calls `listener` when events of other processes may have been lost. Returns a function that stops it. */
  onMissed(listener: () => void): () => void {
    this.#missed.add(listener)
    return () => void this.#missed.delete(listener)
  }

  /** Tells what this process knows by itself. */
  tell(event: Pick<SessionEvent, 'type' | 'id' | 'userId' | 'cause'>): void {
    this.#emit({ actor: null, previous: null, at: null, ...event, local: true })
  }

  /** Tells what a call to the store has done, if the store has not told it already. */
  tellOf(note: Note, id: string, userId: string | null, at: number | null = null): void {
    if (this.#subscription !== null && !this.#told.isFirst(nameOf({ ...note, id }))) return // guard: told already
    const { type, cause, actor, previous } = note
    this.#emit({ type: type as keyof SessionEvents, id, userId, cause, actor, previous, at, local: true })
  }

  close(): void {
    this.#closed = true
    this.#subscription?.end()
    this.#emitter.removeAllListeners()
    this.#missed.clear()
  }

  /** Of this process's own, the store may tell before the answer to the call comes, or although it never comes. */
  #hear(told: StoreEvent): void {
    const { from, type, ...event } = told
    if (!TYPES.has(type)) return // guard: foreign event
    const local = from.startsWith(`${this.#process}:`)
    // What is told of it here says more: whose session it has led to.
    if (local && type === 'reuse') return
    if (local && !this.#told.isFirst(nameOf(told))) return // guard: heard already
    this.#emit({ ...event, type: type as keyof SessionEvents, local })
  }

  #emit(event: SessionEvent): void {
    if (event.local) this.#count(event)
    if (diagnostics.hasSubscribers) diagnostics.publish(event)
    for (const listener of this.#emitter.listeners(event.type)) callListener(listener as Listener, event)
  }

  #count({ type, cause }: SessionEvent): void {
    this.counts[type] ??= {}
    this.counts[type][cause] = (this.counts[type][cause] ?? 0) + 1
  }

  #notListening(): void {
    if (this.#closed) return
    warnOnce(
      'COATCHECK_EVENTS',
      'The store could not be listened to, so events of other processes are not told here. Said once.',
    )
  }
}

/**
 * Calls what an application has given to be called. That it throws, or is async and rejects, is the application's mistake: it
 * breaks neither the request that is served nor the other listeners, and every time is a warning.
 */
export function callListener<T>(listener: (value: T) => unknown, value: T): void {
  try {
    const returned = listener(value)
    if (returned instanceof Promise) returned.catch(warnOfListener)
  } catch (error) {
    warnOfListener(error)
  }
}

function warnOfListener(error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : inspect(error)
  const message = 'A listener to sessions failed; the request was served all the same.'
  process.emitWarning(message, { type: 'CoatcheckWarning', code: 'COATCHECK_LISTENER', detail })
}

/** The same of an event as this process tells it and as the store does. */
function nameOf({ from, type, id }: Pick<StoreEvent, 'from' | 'type' | 'id'>): string {
  return `${from} ${type} ${id}`
}

/** What a call to sessions that have been closed fails with. */
export function closedError(): StoreError {
  return new StoreError('ERR_STORE_UNAVAILABLE', 'These sessions have been closed.', 'none')
}
