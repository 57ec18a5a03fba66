/**
 * Redis's clock as far as this process knows it: an offset to the monotonic clock, from the time that answers tell. The wall
 * clock of the app server matters nowhere. It may be ahead by an answer's round trip, never behind: a touch that is due is
 * never missed, and one sent too soon changes nothing, since the script looks again.
 */
export class RedisClock {
  #offset: number | null = null

  /** Epoch milliseconds, or `null` before the first answer. */
  now(): number | null {
    return this.#offset === null ? null : Math.ceil(performance.now() + this.#offset)
  }

  /**
   * Redis has just said what time it was, some time after `sentAt` (by `performance.now()`).
   * @returns what time it is now
   */
  heard(epochMs: number, sentAt: number): number {
    // Redis tells whole milliseconds, rounded down.
    const most = epochMs + 1 - sentAt
    const least = epochMs - performance.now()
    // What this answer cannot rule out stays: the quickest answer so far knows best.
    if (this.#offset === null || this.#offset > most || this.#offset < least) this.#offset = most
    return Math.ceil(performance.now() + this.#offset)
  }
}

/** The reply to `TIME` in epoch milliseconds. */
export function toInstant(reply: unknown): number {
  const [seconds, micros] = reply as [string, string]
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}
