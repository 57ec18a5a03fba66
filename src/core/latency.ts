import { createHistogram } from 'node:perf_hooks'

/** How long calls to the store have taken, in milliseconds. */
export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
  /** How many calls these are. */
  readonly calls: number
}

/** For so many milliseconds each of the two histograms is written to. */
const TURN = 60_000
/** What they can hold, in microseconds: 1 to an hour, to within one percent. */
const RANGE = { lowest: 1, highest: 3_600_000_000, figures: 2 }

/** How long the calls of the last one to two minutes have taken. Two histograms take turns, so that the older half can go at once. */
export class Latencies {
  #current = createHistogram(RANGE)
  #before = createHistogram(RANGE)
  #since = 0

  /** @param now by `performance.now()` */
  record(ms: number, now: number): void {
    this.#turn(now)
    this.#current.record(Math.max(1, Math.round(ms * 1000)))
  }

  /** `null`: no call was answered. */
  summary(now: number): Latency | null {
    this.#turn(now)
    const all = createHistogram(RANGE)
    all.add(this.#before)
    all.add(this.#current)
    if (all.count === 0) return null
    const percentile = (percent: number) => all.percentile(percent) / 1000
    return { p50: percentile(50), p95: percentile(95), p99: percentile(99), max: all.max / 1000, calls: all.count }
  }

  /** If it is time. */
  #turn(now: number): void {
    const age = now - this.#since
    if (age < TURN) return
    ;[this.#before, this.#current] = [this.#current, this.#before]
    this.#current.reset()
    // Nothing was written for a whole turn: what there is is older still.
    if (age >= 2 * TURN) this.#before.reset()
    this.#since = now
  }
}
