/**
 * Requests that the store has not been told of yet, by session. They go along with the next touch or commit, so that counting
 * costs no command. What nobody asks for any more is forgotten after two intervals: nothing here grows for ever.
 */
export class RequestCounts {
  readonly #interval: number
  #recent = new Map<string, number>()
  #older = new Map<string, number>()
  #turnedAt = performance.now()

  /** @param interval within which a session in use is touched, in milliseconds */
  constructor(interval: number) {
    this.#interval = interval
  }

  add(id: string, requests = 1): void {
    this.#turn()
    if (requests > 0) this.#recent.set(id, this.of(id) + requests)
    this.#older.delete(id)
  }

  of(id: string): number {
    return (this.#recent.get(id) ?? 0) + (this.#older.get(id) ?? 0)
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
    const now = performance.now()
    if (now - this.#turnedAt < this.#interval) return
    this.#older = now - this.#turnedAt < 2 * this.#interval ? this.#recent : new Map()
    this.#recent = new Map()
    this.#turnedAt = now
  }
}
