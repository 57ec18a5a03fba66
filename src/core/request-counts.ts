/** The longest delay of a timer. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Requests that the store has not been told of yet, by session. They go along with the next touch or commit, so that counting
 * costs no command. What nobody asks for any more is forgotten after two intervals: nothing here grows for ever.
 */
export class RequestCounts {
  readonly #interval: number
  #recent = new Map<string, number>()
  #older = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  /** @param interval within which a session in use is touched, in milliseconds */
  constructor(interval: number) {
    this.#interval = Math.min(interval, LONGEST_TIMER)
  }

  add(id: string, requests = 1): void {
    if (requests === 0) return
    this.#recent.set(id, this.of(id) + requests)
    this.#older.delete(id)
    this.#turnLater()
  }

  of(id: string): number {
    return this.#recent.get(id) ?? this.#older.get(id) ?? 0
  }

  /** Takes them out, to tell the store. */
  take(id: string): number {
    const requests = this.of(id)
    this.#recent.delete(id)
    this.#older.delete(id)
    return requests
  }

  /** Of how many sessions something is kept. */
  get size(): number {
    return this.#recent.size + this.#older.size
  }

  #turn(): void {
    this.#older = this.#recent
    this.#recent = new Map()
    this.#timer = undefined
    if (this.#older.size > 0) this.#turnLater()
  }

  #turnLater(): void {
    this.#timer ??= setTimeout(() => this.#turn(), this.#interval).unref()
  }
}
