import { Breaker } from './breaker.ts'
import { type Follower, withDeadline } from './deadline.ts'
import { CoatcheckError, StoreError } from './errors.ts'
import { type Health, HealthRecord } from './health.ts'
import { ignored } from './ignored.ts'
import { pause } from './pause.ts'
import type { SessionStore, StoreCall } from './store.ts'
import { StoreProbe } from './store-probe.ts'

/** A probe has half of a call's time, and at most so many milliseconds: more than a slow network takes, for there and back. */
const LONGEST_PROBE = 500
/** Milliseconds from one probe to the next, at least. */
const BETWEEN_PROBES = 200
/** So many milliseconds after the store has served, nobody needs to ask whether it still does. */
const FRESH = 1000

/**
 * Every call to one store goes through here: under its deadline, and not at all while the store is known not to answer. Then
 * probes are sent in their place, and the first answer lets everybody through again. Nothing is ever sent twice.
 */
export class StoreCalls {
  readonly #timeout: number
  readonly #breaker = new Breaker()
  readonly #health = new HealthRecord()
  readonly #probe: StoreProbe
  readonly #closing = new AbortController()
  #probing: Promise<void> | null = null
  #isWatching = false
  #closed = false

  /** @param timeout of a call, in milliseconds */
  constructor(store: SessionStore, timeout: number) {
    this.#timeout = timeout
    this.#probe = new StoreProbe(store, Math.min(timeout / 2, LONGEST_PROBE), {
      answered: (sentAt) => this.#answered(sentAt),
      failed: (error) => this.#failed(error, null),
    })
  }

  /**
   * Runs one call. @param late gets an answer that comes after the deadline
   * @throws StoreError `ERR_STORE_TIMEOUT`; `ERR_STORE_UNAVAILABLE` at once while the store does not answer anybody
   */
  run<T>(operation: string, run: (call: StoreCall) => Promise<T>, late?: (value: T) => void): Promise<T> {
    const sentAt = performance.now()
    const since = this.#breaker.answers
    return this.wait(operation, run, {
      sentAt,
      answered: () => this.#answered(sentAt),
      failed: (error) => this.#failed(error, sentAt),
      overdue: (error) => this.#overdue(error, since),
      late,
    })
  }

  /**
   * Waits, under the deadline of a call, for what says nothing of how the store answers calls, unless `follower` is told.
   * @throws StoreError likewise
   */
  wait<T>(operation: string, run: (call: StoreCall) => Promise<T>, follower?: Follower<T>): Promise<T> {
    if (this.#breaker.state === 'open') return Promise.reject(notTried(operation)) // guard: fail at once
    return withDeadline(this.#timeout, operation, run, follower)
  }

  /** How the store is. Asks it if nobody has had an answer of late. Never rejects. */
  async health(): Promise<Health> {
    const isKnown = this.#closed || this.#breaker.state === 'open' || this.#health.servedWithin(FRESH)
    if (!isKnown) await this.#ask() // guard: idle process
    return this.#health.summary()
  }

  /** Ends what is sent here beside calls. */
  close(): void {
    this.#closed = true
    this.#closing.abort()
    this.#probe.end() // guard: probe of closed sessions
    this.#health.down()
  }

  #answered(sentAt: number | null): void {
    this.#breaker.answered()
    // Closed for good, whatever the store says.
    if (!this.#closed) this.#health.served(sentAt)
  }

  #failed(error: unknown, sentAt: number | null): void {
    if (error instanceof StoreError) {
      this.#health.failed(error)
      if (isReply(error)) this.#breaker.answered() // guard: an error is an answer
    } else if (error instanceof CoatcheckError) {
      // A session that has ended, a login that is refused: the store has said so.
      this.#answered(sentAt)
    }
    // What is none of ours tells nothing: it may come from a function of the application.
  }

  #overdue(error: Error, since: number): void {
    if (error instanceof StoreError) this.#health.failed(error)
    this.#breaker.overdue(since)
    this.#watch()
  }

  /** Sends probes until the store answers. */
  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    const whileSilent = async () => {
      while (this.#breaker.state !== 'closed' && !this.#closed) {
        const next = pause(BETWEEN_PROBES, undefined, { ref: false, signal: this.#closing.signal }).catch(ignored)
        await this.#ask()
        await next
      }
      this.#isWatching = false
    }
    void whileSilent()
  }

  /** One probe at a time, whoever wants to know. */
  #ask(): Promise<void> {
    this.#probing ??= this.#sendProbe().finally(() => {
      this.#probing = null
    })
    return this.#probing
  }

  async #sendProbe(): Promise<void> {
    const since = this.#breaker.answers
    const failure = await this.#probe.send()
    if (failure === null || this.#closed) return
    const isError = failure instanceof StoreError
    if (isError) this.#health.failed(failure)
    if (!isError || !isReply(failure)) {
      this.#breaker.unanswered(since)
      if (this.#breaker.state !== 'open') return
      this.#watch()
    }
    this.#health.down()
  }
}

/** Whether a store's error is an answer of the store. What it says only in passing (it starts, it looks for its master) is none. */
function isReply({ code }: StoreError): boolean {
  return code === 'ERR_STORE_FULL' || code === 'ERR_STORE_REPLY'
}

function notTried(operation: string): StoreError {
  const message = `The store does not answer, so '${operation}' was not sent. It is asked several times a second.`
  return new StoreError('ERR_STORE_UNAVAILABLE', message, 'none')
}
