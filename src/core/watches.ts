import type { Events, SessionEvent } from './events.ts'
import type { Operations } from './operations.ts'
import { expiresAt } from './record.ts'
import type { SessionRecord } from './store.ts'

/** How a watched session ended. */
export interface SessionEnd {
  /** The id that it had at the end. */
  readonly id: string
  /** As of the event that ended it (`logout`, `login`, `revoke`, `all`, `limit`, …), or `expired`. */
  readonly cause: string
}

interface Watcher {
  id: string
  timer: NodeJS.Timeout | undefined
  readonly onEnded: (end: SessionEnd) => void
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
  readonly #byId = new Map<string, Set<Watcher>>()
  #stopListening: (() => void) | null = null

  constructor(operations: Operations, events: Events) {
    this.#operations = operations
    this.#events = events
  }

  /** @returns stops watching @throws StoreError */
  async watch(id: string, onEnded: (end: SessionEnd) => void): Promise<() => void> {
    this.#listen()
    await this.#operations.call('watch', () => this.#events.listen())
    const record = await this.#operations.load(id)
    const watcher: Watcher = { id: record?.id ?? id, timer: undefined, onEnded }
    this.#add(watcher)
    this.#lookLater(watcher, record)
    return () => this.#remove(watcher)
  }

  close(): void {
    this.#stopListening?.()
    for (const watchers of this.#byId.values()) for (const { timer } of watchers) clearTimeout(timer)
    this.#byId.clear()
  }

  #listen(): void {
    if (this.#stopListening !== null) return
    const stops = [
      ...(['destroyed', 'revoked', 'evicted'] as const).map((type) =>
        this.#events.on(type, ({ id, cause }) => this.#ended(id, cause)),
      ),
      this.#events.on('rotated', (event) => this.#moved(event)),
      this.#events.onMissed(() => {
        for (const watcher of this.#all()) void this.#look(watcher)
      }),
    ]
    this.#stopListening = () => {
      for (const stop of stops) stop()
    }
  }

  #ended(id: string | null, cause: string): void {
    for (const watcher of this.#of(id)) {
      this.#remove(watcher)
      watcher.onEnded({ id: watcher.id, cause })
    }
  }

  #moved({ id, previous }: SessionEvent): void {
    for (const watcher of this.#of(previous)) {
      this.#remove(watcher)
      watcher.id = id ?? watcher.id
      this.#add(watcher)
      // It may have a later end now; what it was to be looked at for comes first and finds that out.
      void this.#look(watcher)
    }
  }

  async #look(watcher: Watcher): Promise<void> {
    try {
      const record = await this.#operations.load(watcher.id)
      if (this.#of(watcher.id).includes(watcher)) this.#lookLater(watcher, record)
    } catch {
      this.#arm(watcher, RETRY)
    }
  }

  #lookLater(watcher: Watcher, record: SessionRecord | null): void {
    const now = this.#operations.settings.store.now()
    if (record === null) {
      this.#arm(watcher, 0, () => this.#ended(watcher.id, 'expired'))
      return
    }
    this.#arm(watcher, now === null ? RETRY : Math.max(0, expiresAt(record) - now) + SLACK)
  }

  #arm(watcher: Watcher, ms: number, then: () => void = () => void this.#look(watcher)): void {
    clearTimeout(watcher.timer)
    if (!this.#of(watcher.id).includes(watcher)) return
    watcher.timer = setTimeout(then, Math.min(ms, LONGEST_TIMER)).unref()
  }

  #add(watcher: Watcher): void {
    const watchers = this.#byId.get(watcher.id) ?? new Set()
    this.#byId.set(watcher.id, watchers.add(watcher))
  }

  #remove(watcher: Watcher): void {
    clearTimeout(watcher.timer)
    const watchers = this.#byId.get(watcher.id)
    watchers?.delete(watcher)
    if (watchers?.size === 0) this.#byId.delete(watcher.id)
  }

  #of(id: string | null): Watcher[] {
    return id === null ? [] : [...(this.#byId.get(id) ?? [])]
  }

  #all(): Watcher[] {
    return [...this.#byId.values()].flatMap((watchers) => [...watchers])
  }
}
