import { Call } from './deadline.ts'
import { StoreError } from './errors.ts'
import type { SessionStore } from './store.ts'
import { tags } from './tags.ts'
import { idOfToken, newTokenBeside } from './token.ts'

/** Who is told of every answer to a probe, also of those that come after its end. */
export interface ProbeListener {
  /** @param sentAt by `performance.now()`; `null`: the probe was over */
  answered(sentAt: number | null): void
  failed(error: unknown): void
}

/**
 * Asks a store whether it answers: for sessions that there are not, under ids made for the purpose. For two of them, half of the
 * partitions apart: where a cluster has lost one of its masters, another one has the other, and the store as a whole answers.
 */
export class StoreProbe {
  readonly #store: SessionStore
  readonly #timeout: number
  readonly #listener: ProbeListener
  #end: (() => void) | undefined

  /** @param timeout in milliseconds */
  constructor(store: SessionStore, timeout: number, listener: ProbeListener) {
    this.#store = store
    this.#timeout = timeout
    this.#listener = listener
  }

  /** Sends one. Never rejects. @returns why it has failed; `null`: it was answered */
  send(): Promise<unknown> {
    const call = new Call(this.#timeout)
    const sentAt = performance.now()
    return new Promise((resolve) => {
      let over = false
      const end = (failure: unknown) => {
        over = true
        clearTimeout(timer)
        // One of the two has answered: nobody waits for the other one, whose server may be away for good.
        call.expire() // guard: what is left of a probe
        resolve(failure)
      }
      const overdue = () => {
        const message = `The store did not answer a probe within ${this.#timeout} ms.`
        end(new StoreError('ERR_STORE_TIMEOUT', message, 'none'))
      }
      const expire = () => {
        call.expire()
        // As with any call: what has already arrived is read first.
        setImmediate(overdue)
      }
      const timer = setTimeout(expire, this.#timeout).unref()
      this.#end = overdue
      const asked = strangers().map(async (id) => {
        try {
          await this.#store.load(id, null, call)
        } catch (error) {
          this.#listener.failed(error)
          throw error
        }
        this.#listener.answered(over ? null : sentAt)
      })
      Promise.any(asked).then(
        () => end(null),
        ({ errors: [error] }: AggregateError) => end(error),
      )
    })
  }

  /** Withdraws the probe that is on its way. */
  end(): void {
    this.#end?.()
  }
}

/** Ids that no session has, in two partitions half of them apart. */
function strangers(): string[] {
  const here = Math.floor(Math.random() * tags.length)
  return [here, here - tags.length / 2].map((partition) => idOfToken(newTokenBeside(tags.at(partition) as string)))
}
