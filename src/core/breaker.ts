/**
 * Tells a store that has fallen silent from a single slow call, so that nobody waits for the former. No clock, no timer and no
 * store in here: it is told what happens.
 *
 * - `closed`: the store answers.
 * - `suspect`: the deadline of a call has passed, and nothing at all was answered since that call was sent. Calls go on; a probe
 *   decides.
 * - `open`: a probe was not answered either. No call is sent until one is.
 */
export class Breaker {
  #state: 'closed' | 'suspect' | 'open' = 'closed'
  #answers = 0

  get state(): 'closed' | 'suspect' | 'open' {
    return this.#state
  }

  /** How many answers there have been: to be noted as a call or a probe is sent. */
  get answers(): number {
    return this.#answers
  }

  /** Something was answered, whatever and however late. */
  answered(): void {
    this.#answers++
    this.#state = 'closed'
  }

  /** The deadline of a call has passed. @param since the answers that there had been when it was sent */
  overdue(since: number): void {
    if (this.#answers !== since) return // guard: one slow call
    if (this.#state === 'closed') this.#state = 'suspect'
  }

  /** A probe was not answered in time. @param since the answers that there had been when it was sent */
  unanswered(since: number): void {
    if (this.#answers !== since) return // guard: answered meanwhile
    this.#state = 'open'
  }
}
