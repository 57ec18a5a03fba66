/** How long, in milliseconds, what was told is remembered at least. */
const REMEMBERED = 60_000

/**
 * What this process does, it learns twice: from the answer to its call, and as one who listens to the store. The first of the
 * two is told; each may be missing.
 */
export class Told {
  #recent = new Set<string>()
  #older = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  isFirst(event: string): boolean {
    if (this.#recent.delete(event) || this.#older.delete(event)) return false
    this.#recent.add(event)
    this.#timer ??= setTimeout(() => this.#turn(), REMEMBERED).unref()
    return true
  }

  #turn(): void {
    this.#older = this.#recent
    this.#recent = new Set()
    this.#timer = this.#older.size > 0 ? setTimeout(() => this.#turn(), REMEMBERED).unref() : undefined
  }
}
