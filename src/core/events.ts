import { channel } from 'node:diagnostics_channel'
import { StoreError } from './errors.ts'
import type { Others } from './others.ts'
import type { Note, SessionStore } from './store.ts'
import { warnLater } from './warn.ts'

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

/** The `node:diagnostics_channel` on which every event is published. */
const diagnostics = channel('coatcheck:session')

/**
 * Tells listeners what becomes of sessions: at once what this process does, by the store what others do. The store is asked
 * for that only when somebody listens.
 */
export class Events {
  readonly #store: SessionStore
  readonly #listeners = new Set<{ readonly type: keyof SessionEvents; readonly listener: Listener }>()
  readonly #process = crypto.randomUUID()
  /** Called when events of other processes may have been lost. */
  readonly missed: Set<() => void> = new Set()
  #calls = 0
  #others: Others | null = null
  #closed = false
  /** What this process has done, by type and cause. */
  readonly counts: Partial<Record<keyof SessionEvents, Record<string, number>>> = {}

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** What a call to the store says of itself. */
  note(type: keyof SessionEvents, cause: string, actor?: string | null, previous: string | null = null): Note {
    return { from: `${this.#process}:${++this.#calls}`, type, cause, actor: actor ?? null, previous }
  }

  on(type: keyof SessionEvents, listener: Listener): () => void {
    const entry = { type, listener }
    this.#listeners.add(entry)
    this.listen().catch(() => {
      if (!this.#closed) warnLater((warnings) => warnings.warnOfSilence())
    })
    return () => void this.#listeners.delete(entry)
  }

  /** Listens to other processes, from when the promise resolves. @throws StoreError */
  async listen(): Promise<void> {
    const { Others } = await import('./others.ts')
    if (this.#closed) throw closedError()
    this.#others ??= new Others(this.#store, this.#process, (event) => this.#emit(event), this.missed)
    const others = this.#others
    try {
      await others.ready
    } catch (error) {
      if (this.#others === others) this.#others = null
      throw error
    }
  }

  /** Tells what a call to the store has done, if the store has not told it already. */
  tellOf(note: Note, id: string | null, userId: string | null, at: number | null = null): void {
    if (this.#others?.isFirst(note, id) === false) return // guard: told already
    const { from: _, ...what } = note
    this.#emit({ ...(what as Omit<Note, 'type'> & { type: keyof SessionEvents }), id, userId, at, local: true })
  }

  close(): void {
    this.#closed = true
    this.#others?.end()
    this.#listeners.clear()
    this.missed.clear()
  }

  #emit(event: SessionEvent): void {
    if (event.local) this.#count(event)
    if (diagnostics.hasSubscribers) diagnostics.publish(event)
    // As they are now: one that is added meanwhile has not listened yet.
    for (const { type, listener } of [...this.#listeners]) if (type === event.type) callListener(listener, event)
  }

  #count({ type, cause }: SessionEvent): void {
    const causes = this.counts[type] ?? {}
    causes[cause] = (causes[cause] ?? 0) + 1
    this.counts[type] = causes
  }
}

/**
 * Calls what an application has given to be called. That it throws, or is async and rejects, is the application's mistake: it
 * breaks neither the request that is served nor the other listeners, and every time is a warning.
 */
export function callListener<T>(listener: (value: T) => unknown, value: T): void {
  try {
    const returned = listener(value)
    if (returned instanceof Promise) returned.catch(failed)
  } catch (error) {
    failed(error)
  }
}

function failed(error: unknown): void {
  warnLater((warnings) => warnings.warnOfListener(error))
}

/** What a call to sessions that have been closed fails with. */
export function closedError(): StoreError {
  return new StoreError('ERR_STORE_UNAVAILABLE', 'These sessions have been closed.', 'none')
}
