import type { RequestState } from '../core/request-state.ts'
import { unsaid } from '../core/warn.ts'
import { refusalOf } from './failure-answer.ts'
import type { Gatekeeper } from './response-gate.ts'

/** What an adapter knows of a request. */
export interface RequestFacts {
  /** Whether the request counts as activity. */
  readonly touch: () => boolean
  /** Whether it came over https, as far as the framework can tell. */
  readonly secure: () => boolean
  /** Told of errors that no handler can see any more. */
  readonly onError: (error: unknown) => void
}

/** Ties the gate of a response to the session of its request. */
export function sessionKeeper(state: RequestState, facts: RequestFacts): Gatekeeper {
  const loaded = state.record
  return {
    prepare() {
      try {
        const changes = state.pending()
        return changes && (() => state.commit(changes))
      } catch (error) {
        // A value that cannot be stored: the response fails as it does when the store refuses the commit.
        return () => Promise.reject(error)
      }
    },
    owesCookie() {
      return state.owesCookie
    },
    takeCookie() {
      if (state.owesCookie) warnOfPlainHttp(state, facts)
      return state.takeCookie()
    },
    headLeaves() {
      state.headSent = true // guard: head sent
      const { record, operations } = state
      // A write has extended the session already, and left another record.
      const written = record !== loaded
      if (loaded === null || record === null || (!written && !isActivity(facts))) return
      state.count()
      // The response does not wait for it, and it never rejects.
      if (written ? operations.countIsDue(record) : operations.touchIsDue(record)) void operations.touchSoftly(record)
    },
    refuse(error) {
      report(error, facts)
      return refusalOf(error)
    },
    fail: (error) => report(error, facts),
  }
}

/** Whether a request counts as activity, asked as it comes. What the function throws is reported at its end, when it is asked again. */
export function isActive(touch: () => boolean): boolean {
  try {
    return touch()
  } catch {
    return true
  }
}

/** The application's own function: what it throws must not break the response. */
function isActivity(facts: RequestFacts): boolean {
  try {
    return facts.touch()
  } catch (error) {
    report(error, facts)
    return true
  }
}

/** Tells the application of an error that no handler sees. */
export function report(error: unknown, facts: RequestFacts): void {
  try {
    facts.onError(error)
  } catch (failure) {
    console.error(failure)
  }
}

function warnOfPlainHttp(state: RequestState, { secure }: RequestFacts): void {
  const { cookie } = state.operations.settings
  if (cookie.secure && !secure())
    import('./plain-http.ts').then((text) => text.warnOfPlainHttp(cookie.name)).catch(unsaid)
}
