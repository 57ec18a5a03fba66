/**
 * Redis's clock as far as this process knows it: an offset to the monotonic clock, from the time that answers tell. The wall
 * clock of the app server matters nowhere. It may be ahead by an answer's round trip, never behind: a touch that is due is
 * never missed, and one sent too soon changes nothing, since the script looks again.
 */
export class RedisClock {
  #offset: number | null = null
  /** The least that the offset can be, and when that was heard. */
  #least = { offset: Number.NEGATIVE_INFINITY, heardAt: 0 }

  /** Epoch milliseconds, or `null` before the first answer. */
  now(): number | null {
    return this.#offset === null ? null : Math.ceil(performance.now() + this.#offset)
  }

  /** Epoch milliseconds, with a fraction, at an instant of `performance.now()`: it was not earlier than this. */
  earliest(instant: number): number {
    return instant + this.#least.offset - drift(instant - this.#least.heardAt)
  }

  /**
   * Redis has just said what time it was, some time after `sentAt` (by `performance.now()`).
   * @returns what time it is now
   */
  heard(epochMs: number, sentAt: number): number {
    // Redis tells whole milliseconds, rounded down.
    const most = epochMs + 1 - sentAt
    const heardAt = performance.now()
    const least = epochMs - heardAt
    const known = this.#least.offset - drift(heardAt - this.#least.heardAt)
    if (least > known || known > most) this.#least = { offset: least, heardAt }
    // What this answer cannot rule out stays: the quickest answer so far knows best.
    if (this.#offset === null || this.#offset > most || this.#offset < least) this.#offset = most
    return Math.ceil(performance.now() + this.#offset)
  }
}

/** By how much two clocks may part meanwhile: 500 parts per million, the most by which an operating system slews one. */
function drift(ms: number): number {
  return Math.abs(ms) * 0.0005
}

/** The reply to `TIME` in epoch milliseconds. */
export function toInstant(reply: unknown): number {
  const [seconds, micros] = reply as [string, string]
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}
