import { type Outcome, StoreError } from './errors.ts'
import type { StoreCall } from './store.ts'

/** Whoever follows a call to its end, which may come long after its deadline. */
export interface Follower<T> {
  /** When the call was sent, by `performance.now()`. Default: now. */
  readonly sentAt?: number
  /** It has come to something, in time or late. */
  answered?(): void
  /** It has failed by itself, in time or late. */
  failed?(error: unknown): void
  /** Its deadline has passed, and it has come to nothing: its caller is told this. */
  overdue?(error: Error): void
  /** What it has come to after its deadline, when nobody waits for it any more. */
  late?: ((value: T) => void) | undefined
}

/**
 * Runs one store operation, retries included, under a deadline: the returned promise settles within `ms` of now, whatever
 * the store does (P7). Past it the operation is asked to withdraw what it has queued, and its late answer goes to `follower`.
 * @throws StoreError `ERR_STORE_TIMEOUT`
 */
export function withDeadline<T>(
  ms: number,
  operation: string,
  run: (call: StoreCall) => Promise<T>,
  follower: Follower<T> = {},
): Promise<T> {
  const call = new Call(ms, follower.sentAt)
  const overdue = () => (call.outcome === 'none' && call.refusal) || timeout(operation, ms, call.outcome)
  return new Promise<T>((resolve, reject) => {
    let settled = false
    let answered = false
    const timer = setTimeout(() => {
      call.expire()
      // One turn later: what the abort has withdrawn has rejected by now, and a reply that has already arrived (this
      // process was busy, not the store) has been read.
      setImmediate(() => {
        if (answered) return
        const error = overdue()
        follower.overdue?.(error)
        settle(() => reject(error))
      })
    }, ms)
    const settle = (finish: () => void): boolean => {
      if (settled) return false // guard: late answer
      settled = true
      clearTimeout(timer)
      finish()
      return true
    }
    run(call).then(
      (value) => {
        answered = true
        follower.answered?.()
        if (!settle(() => resolve(value))) follower.late?.(value)
      },
      (error: unknown) => {
        follower.failed?.(error)
        settle(() => reject(call.expired && call.outcome === 'none' ? overdue() : error))
      },
    )
  })
}

/**
 * Ends a loop of attempts that the deadline has overtaken. Each of them was refused so far, so nothing was carried out; the
 * caller of {@link withDeadline} gets its error in place of this one.
 */
export function giveUp(call: StoreCall): never {
  call.outcome = 'none' // guard: not carried out
  throw new Error('The deadline has passed.')
}

function timeout(operation: string, ms: number, outcome: Outcome): StoreError {
  const effect = outcome === 'none' ? 'It was not carried out.' : 'Whether it was carried out is unknown.'
  return new StoreError(
    'ERR_STORE_TIMEOUT',
    `The store did not answer '${operation}' within ${ms} ms. ${effect}`,
    outcome,
  )
}

/** A call that can be made to expire. An AbortController costs more than the whole bookkeeping of a call, and only a waiting queue needs one. */
export class Call implements StoreCall {
  outcome: Outcome = 'unknown'
  refusal: Error | undefined
  readonly #end: number
  #expired = false
  #controller: AbortController | undefined

  constructor(ms: number, sentAt: number = performance.now()) {
    this.#end = sentAt + ms
  }

  get remaining(): number {
    return Math.max(0, this.#end - performance.now())
  }

  get expired(): boolean {
    return this.#expired
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#expired) this.#controller.abort() // guard: signal after the deadline
    }
    return this.#controller.signal
  }

  expire(): void {
    this.#expired = true
    this.#controller?.abort() // guard: withdrawal
  }
}
