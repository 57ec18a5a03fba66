import { Latencies, type Latency } from './latency.ts'

export type { Latency }

/** How the store is, as one process sees it: what `sessions.health()` says. */
export interface Health {
  /** `down`: the store was asked and has not answered, or only with an error; or the sessions have been closed. */
  readonly state: 'up' | 'down'
  /** Since when this process knows that, in epoch milliseconds by its own clock. */
  readonly since: number
  /** The last `StoreError` that a call to the store ended with, and when: epoch milliseconds by this process's clock. */
  readonly lastError: { readonly code: string; readonly at: number } | null
  /** Of the calls that were answered in the last one to two minutes. `null`: none was. */
  readonly latency: Latency | null
}

/** What is known of the store, for whoever asks. */
export class HealthRecord {
  #state: Health['state'] = 'up'
  #since = Date.now()
  #lastError: Health['lastError'] = null
  readonly #latencies = new Latencies()
  /** When the store last did what it was asked, by `performance.now()`. */
  #servedAt = Number.NEGATIVE_INFINITY

  /** The store has done what it was asked. @param sentAt by `performance.now()`; `null`: how long it took does not count */
  served(sentAt: number | null): void {
    const now = performance.now()
    this.#servedAt = now
    if (sentAt !== null) this.#latencies.record(now - sentAt, now)
    this.#is('up')
  }

  failed({ code }: { readonly code: string }): void {
    this.#lastError = { code, at: Date.now() }
  }

  down(): void {
    this.#is('down')
  }

  /** Whether the store has served within so many milliseconds. */
  servedWithin(ms: number): boolean {
    return performance.now() - this.#servedAt <= ms
  }

  summary(): Health {
    const latency = this.#latencies.summary(performance.now())
    return { state: this.#state, since: this.#since, lastError: this.#lastError, latency }
  }

  #is(state: Health['state']): void {
    if (this.#state === state) return
    this.#state = state
    this.#since = Date.now()
  }
}
