import type { RequestState } from '../core/request-state.ts'
import type { SessionRecord } from '../core/store.ts'
import { countIsDue, touchIsDue, touchSoftly } from '../core/touches.ts'
import { warnLater } from '../core/warn.ts'
import { type FailureAnswer, refusalOf } from './failure-answer.ts'
import type { RequestFacts } from './request-facts.ts'
import type { Gatekeeper } from './response-gate.ts'

/** What a keeper asks of its request. */
type Facts = Pick<RequestFacts<never>, 'touch' | 'secure' | 'onError'>

/** Ties the gate of a response to the session of its request. */
export class SessionKeeper implements Gatekeeper {
  readonly #state: RequestState
  readonly #facts: Facts
  readonly #loaded: SessionRecord | null

  constructor(state: RequestState, facts: Facts) {
    this.#state = state
    this.#facts = facts
    this.#loaded = state.record
  }

  prepare(): (() => Promise<void>) | null {
    try {
      const changes = this.#state.pending()
      return changes && (() => this.#state.commit(changes))
    } catch (error) {
      // A value that cannot be stored: the response fails as it does when the store refuses the commit.
      return () => Promise.reject(error)
    }
  }

  owesCookie(): boolean {
    return this.#state.owesCookie
  }

  takeCookie(): string | null {
    if (this.#state.owesCookie) warnOfPlainHttp(this.#state, this.#facts)
    return this.#state.takeCookie()
  }

  headLeaves(): void {
    this.#state.headSent = true // guard: head sent
    const { record, operations } = this.#state
    // A write has extended the session already, and left another record.
    const written = record !== this.#loaded
    if (this.#loaded === null || record === null || (!written && !isActivity(this.#facts))) return
    this.#state.count()
    // The response does not wait for it, and it never rejects.
    const isDue = written ? countIsDue(operations, record) : touchIsDue(operations.settings, record)
    if (isDue) void touchSoftly(operations, record)
  }

  refuse(error: unknown): FailureAnswer {
    report(error, this.#facts)
    return refusalOf(error)
  }

  fail(error: unknown): void {
    report(error, this.#facts)
  }
}

/** The application's own function: what it throws must not break the response. */
function isActivity(facts: Facts): boolean {
  try {
    return facts.touch()
  } catch (error) {
    report(error, facts)
    return true
  }
}

/** Tells the application of an error that no handler sees. */
export function report(error: unknown, facts: Pick<Facts, 'onError'>): void {
  try {
    facts.onError(error)
  } catch (failure) {
    console.error(failure)
  }
}

function warnOfPlainHttp(state: RequestState, facts: Facts): void {
  const { cookie } = state.operations.settings
  if (cookie.secure && !facts.secure()) warnLater((warnings) => warnings.warnOfPlainHttp(cookie.name))
}
