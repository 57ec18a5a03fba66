import { type Outcome, StoreError } from './errors.ts'
import type { StoreCall } from './store.ts'

/**
 * Runs one store operation, retries included, under a deadline: the returned promise settles within `ms` of now, whatever
 * the store does (P7). Past it the operation is asked to withdraw what it has queued, and its late answer goes to `late`.
 * @throws StoreError `ERR_STORE_TIMEOUT`
 */
export function withDeadline<T>(
  ms: number,
  operation: string,
  run: (call: StoreCall) => Promise<T>,
  late?: (value: T) => void,
): Promise<T> {
  const call = new Call()
  const overdue = () => (call.outcome === 'none' && call.refusal) || timeout(operation, ms, call.outcome)
  return new Promise<T>((resolve, reject) => {
    let settled = false
    const timer = setTimeout(() => {
      call.expire()
      // One turn later: what the abort has withdrawn has rejected by now, and a reply that has already arrived (this
      // process was busy, not the store) has been read.
      setImmediate(() => {
        if (settled) return
        settled = true
        reject(overdue())
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
        if (!settle(() => resolve(value))) late?.(value)
      },
      (error: unknown) => {
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

/** An AbortController costs more than the whole bookkeeping of a call, and only a waiting queue needs one. */
class Call implements StoreCall {
  outcome: Outcome = 'unknown'
  refusal: Error | undefined
  #expired = false
  #controller: AbortController | undefined

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
