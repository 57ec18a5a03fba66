import { callListener, type Events } from './events.ts'
import type { Operations } from './operations.ts'
import { expiresAt } from './record.ts'
import type { SessionRecord } from './store.ts'
import { isId } from './token.ts'

/** How a watched session ended. */
export interface SessionEnd {
  /** The id that it had at the end. */
  readonly id: string
  /** As of the event that ended it (`logout`, `login`, `revoke`, `all`, `limit`, …); `expired`, also when no event was heard. */
  readonly cause: string
}

interface Watcher {
  watched: Watched
  /** `null` when it is to be told nothing any more. */
  onEnded: ((end: SessionEnd) => unknown) | null
  /** Whoever watches has what `watch` returned. */
  isReady: boolean
  /** How the session ended before that. */
  early: SessionEnd | null
}

/** A session that somebody watches. */
interface Watched {
  id: string
  timer: NodeJS.Timeout | undefined
  looking: Promise<void> | null
  readonly watchers: Set<Watcher>
}

/** The longest delay of a timer. */
const LONGEST_TIMER = 2 ** 31 - 1
/** The store did not say whether the session still lives: asked again after this long. */
const RETRY = 1000
/** Beyond the expiry: both clocks tell whole milliseconds. */
const SLACK = 5

/**
 * Tells when sessions end. The events of all processes say so at once; an expiry has no event, so that each watched session is
 * looked at when it would expire, and after every time that events may have been missed. Nothing is polled.
 */
export class Watches {
  readonly #operations: Operations
  readonly #events: Events
  readonly #byId = new Map<string, Watched>()
  #stopListening: (() => void) | null = null

  constructor(operations: Operations, events: Events) {
    this.#operations = operations
    this.#events = events
  }

  /** @returns stops watching @throws StoreError */
  async watch(id: string, onEnded: (end: SessionEnd) => unknown): Promise<() => void> {
    this.#listen()
    // Before the session is looked at: what ends it afterwards is heard.
    const watcher = this.#add(id, onEnded)
    try {
      await this.#operations.calls.wait('watch', async (call) => {
        call.outcome = 'none'
        await this.#events.listen()
      })
      await this.#look(watcher.watched)
    } catch (error) {
      this.#remove(watcher)
      throw error
    }
    setImmediate(() => {
      watcher.isReady = true
      if (watcher.early !== null) tell(watcher, watcher.early)
    })
    return () => this.#remove(watcher)
  }

  close(): void {
    this.#stopListening?.()
    for (const { timer } of this.#byId.values()) clearTimeout(timer)
    this.#byId.clear()
  }

  #listen(): void {
    if (this.#stopListening !== null) return
    const { missed } = this.#events
    const lookAtAll = () => {
      for (const watched of this.#byId.values()) this.#lookSoftly(watched)
    }
    missed.add(lookAtAll)
    const stops = [
      ...(['destroyed', 'revoked', 'evicted'] as const).map((type) =>
        this.#events.on(type, ({ id, cause }) => this.#ended(id, cause)),
      ),
      this.#events.on('rotated', ({ id, previous, cause }) => {
        const watched = previous === null ? undefined : this.#byId.get(previous)
        if (watched === undefined || id === null) return
        this.#move(watched, id)
        // A login may have set other limits. Any other rotation only puts the end off.
        if (cause === 'login') this.#lookSoftly(watched)
      }),
      () => missed.delete(lookAtAll),
    ]
    this.#stopListening = () => {
      for (const stop of stops) stop()
    }
  }

  #add(id: string, onEnded: (end: SessionEnd) => unknown): Watcher {
    const watched = this.#byId.get(id) ?? { id, timer: undefined, looking: null, watchers: new Set() }
    this.#byId.set(id, watched)
    const watcher: Watcher = { watched, onEnded, isReady: false, early: null }
    watched.watchers.add(watcher)
    return watcher
  }

  #remove(watcher: Watcher): void {
    const { watched } = watcher
    watcher.onEnded = null
    watched.watchers.delete(watcher)
    if (watched.watchers.size === 0) this.#forget(watched)
  }

  #forget(watched: Watched): void {
    clearTimeout(watched.timer)
    if (this.#isWatched(watched)) this.#byId.delete(watched.id)
  }

  #ended(id: string | null, cause: string): void {
    const watched = id === null ? undefined : this.#byId.get(id)
    if (watched === undefined) return
    this.#forget(watched)
    for (const watcher of watched.watchers) tell(watcher, { id: watched.id, cause })
  }

  /** The session has another id. */
  #move(watched: Watched, id: string): void {
    this.#byId.delete(watched.id)
    watched.id = id
    const there = this.#byId.get(id)
    this.#byId.set(id, watched)
    if (there === undefined) return
    clearTimeout(there.timer)
    for (const watcher of there.watchers) {
      watcher.watched = watched
      watched.watchers.add(watcher)
    }
  }

  #lookSoftly(watched: Watched): void {
    this.#look(watched).catch(() => this.#arm(watched, RETRY))
  }

  /** Asks whether the session lives, and until when: once, however many watch it. */
  async #look(watched: Watched): Promise<void> {
    watched.looking ??= this.#ask(watched).finally(() => {
      watched.looking = null
    })
    await watched.looking
  }

  async #ask(watched: Watched): Promise<void> {
    const { id } = watched
    const record = isId(id) ? await this.#operations.trace(id) : null
    if (watched.id !== id) return this.#ask(watched) // moved meanwhile
    if (record !== null && record.id !== id && this.#isWatched(watched)) this.#move(watched, record.id)
    this.#lookLater(watched, record)
  }

  #lookLater(watched: Watched, record: SessionRecord | null): void {
    if (record === null) {
      this.#arm(watched, 0, () => this.#ended(watched.id, 'expired'))
      return
    }
    const now = this.#operations.settings.store.now(record.id)
    this.#arm(watched, now === null ? RETRY : Math.max(0, expiresAt(record) - now) + SLACK)
  }

  #arm(watched: Watched, ms: number, then: () => void = () => this.#lookSoftly(watched)): void {
    clearTimeout(watched.timer)
    if (this.#isWatched(watched)) watched.timer = setTimeout(then, Math.min(ms, LONGEST_TIMER)).unref()
  }

  #isWatched(watched: Watched): boolean {
    return this.#byId.get(watched.id) === watched
  }
}

/** An end that is told while the caller still waits for `watch` would find nothing that the caller is going to prepare. */
function tell(watcher: Watcher, end: SessionEnd): void {
  if (!watcher.isReady) watcher.early = end
  else if (watcher.onEnded !== null) callListener(watcher.onEnded, end)
}
