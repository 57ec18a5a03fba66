import { StoreError, type StoreErrorCode } from '../core/errors.ts'
import type { StoreCall } from '../core/store.ts'

/**
 * Writes in several parts at once, each of which may be refused for itself: nothing has been carried out only if that is so of
 * all of them.
 */
export async function inParts<T>(
  parts: readonly T[],
  call: StoreCall,
  write: (part: T, call: StoreCall) => Promise<unknown>,
): Promise<void> {
  const calls = parts.map(() => partOf(call))
  const results = await Promise.allSettled(parts.map((part, i) => write(part, calls[i] as StoreCall)))
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  if (failures.length === 0) return
  const isNothingDone = failures.length === parts.length && calls.every(({ outcome }) => outcome === 'none')
  if (isNothingDone) {
    call.outcome = 'none'
    throw failures[0]
  }
  const known = failures.find((failure) => failure instanceof StoreError)
  const [code, message] = known ? [known.code, known.message] : ['ERR_STORE_TIMEOUT', 'The deadline has passed.']
  throw new StoreError(code as StoreErrorCode, `${message} Part of it may have been done.`, 'unknown', known) // guard: done in part
}

/** The same deadline, and an outcome of its own. */
function partOf(call: StoreCall): StoreCall {
  return {
    outcome: 'unknown',
    get signal() {
      return call.signal
    },
    get expired() {
      return call.expired
    },
    get remaining() {
      return call.remaining
    },
  }
}
