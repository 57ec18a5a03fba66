import type { SessionEvent, SessionEvents } from './events.ts'
import type { Note, SessionStore, StoreEvent, Subscription } from './store.ts'
import { Told } from './told.ts'

const TYPES: ReadonlySet<string> = new Set<keyof SessionEvents>([
  ...(['created', 'login', 'rotated', 'destroyed', 'revoked', 'evicted', 'roles', 'reuse', 'refused'] as const),
])

/**
 * Hears from the store what other processes do, and once more what this one does. Loaded by whoever listens: a process in which
 * nobody does has no need of it.
 */
export class Others {
  readonly #process: string
  readonly #emit: (event: SessionEvent) => void
  readonly #told = new Told()
  readonly #subscription: Subscription

  /**
   * @param process how this one's notes begin
   * @param missed are called when events may have been lost
   */
  constructor(store: SessionStore, process: string, emit: (event: SessionEvent) => void, missed: Iterable<() => void>) {
    this.#process = process
    this.#emit = emit
    this.#subscription = store.subscribe(
      (event) => this.#hear(event),
      () => {
        for (const listener of missed) listener()
      },
    )
  }

  /** Resolves when the store is listened to. @throws StoreError */
  get ready(): Promise<void> {
    return this.#subscription.ready
  }

  /** Whether this is the first that is heard of something that this process has done. */
  isFirst(note: Note, id: string | null): boolean {
    return this.#told.isFirst(nameOf({ ...note, id }))
  }

  end(): void {
    this.#subscription.end()
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
}

/** The same of an event as this process tells it and as the store does. */
function nameOf({ from, type, id }: Pick<StoreEvent, 'from' | 'type'> & { readonly id: string | null }): string {
  return `${from} ${type} ${id}`
}
