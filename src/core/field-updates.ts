import { decode, encode } from './codec.ts'
import { checkSizes } from './fields.ts'
import type { Settings } from './options.ts'
import type { SessionRef, StoreCall } from './store.ts'
import type { StoreCalls } from './store-calls.ts'

/** Computes the next value of a field. May run again with a newer value when another request was faster: keep it pure. */
export type Change = (current: unknown) => unknown

/** What is asked of a value before it is written. */
type ValueRules = Pick<Settings, 'checker' | 'maxValueBytes'>

/** Where a field stands: its encoded text, `null` if absent. */
type Text = string | null

/** Compare-and-set until it holds: calls `next` with the current text until the store accepts what it returns. */
export type CompareAndSet = (
  ref: SessionRef,
  field: string,
  expected: Text,
  next: (current: Text) => Text,
  call: StoreCall,
) => Promise<void>

interface Waiting {
  readonly change: Change
  readonly call: StoreCall
  readonly resolve: (text: Text) => void
  readonly reject: (error: unknown) => void
}

interface Queue {
  /** The text last seen, the first guess of the next round. */
  text: Text
  waiting: Waiting[]
}

/**
 * Runs `update`s of session fields. Updates of one field that arrive while another is on its way to the store are applied
 * together in the next round (group commit): 1,000 at once in one process cost a few round trips, not 500,000 retries.
 */
export class FieldUpdates {
  readonly #compareAndSet: CompareAndSet
  readonly #calls: Pick<StoreCalls, 'run'>
  readonly #rules: ValueRules
  readonly #queues = new Map<string, Queue>()

  constructor(compareAndSet: CompareAndSet, calls: Pick<StoreCalls, 'run'>, rules: ValueRules) {
    this.#compareAndSet = compareAndSet
    this.#calls = calls
    this.#rules = rules
  }

  /**
   * @param known the field's text as the caller last saw it
   * @returns the field's new text
   * @throws whatever `change` throws; FieldError; SessionEndedError; StoreError
   */
  run(ref: SessionRef, field: string, known: Text, change: Change): Promise<Text> {
    return this.#calls.run('update', (call) => {
      // Until its round begins the update has certainly not been carried out.
      call.outcome = 'none'
      return new Promise<Text>((resolve, reject) => {
        const key = `${ref.id} ${field}`
        const entry: Waiting = { change, call, resolve, reject }
        const queue = this.#queues.get(key)
        if (queue) {
          queue.waiting.push(entry)
        } else {
          const fresh: Queue = { text: known, waiting: [entry] }
          this.#queues.set(key, fresh)
          void this.#drain(key, fresh, ref, field)
        }
      })
    })
  }

  /** Settles every entry itself and never rejects. */
  async #drain(key: string, queue: Queue, ref: SessionRef, field: string): Promise<void> {
    while (queue.waiting.length > 0) {
      const round = queue.waiting.filter(({ call }) => !call.expired)
      queue.waiting = []
      if (round.length > 0) await this.#round(queue, round, ref, field)
    }
    this.#queues.delete(key)
  }

  async #round(queue: Queue, round: Waiting[], ref: SessionRef, field: string): Promise<void> {
    let settle: (() => void)[] = []
    try {
      const next = (current: Text) => {
        // Afresh in every attempt: what an update did with a value that turned out stale never counts.
        settle = []
        let text = current
        for (const { change, resolve, reject } of round) {
          try {
            // Each sees a value of its own, decoded anew: what one keeps or changes later cannot reach another.
            const value = change(text === null ? undefined : readValue(field, text, this.#rules))
            const changed = value === undefined ? null : encodeField(field, value, this.#rules)
            settle.push(() => resolve(changed))
            text = changed
          } catch (error) {
            settle.push(() => reject(error))
          }
        }
        queue.text = text
        return text
      }
      const call = callOf(round)
      call.outcome = 'unknown'
      await this.#compareAndSet(ref, field, queue.text, next, call)
      for (const tell of settle) tell()
    } catch (error) {
      for (const entry of round) entry.reject(error)
    }
  }
}

/** The one store call of a round: it lasts as long as the update that came last, and what becomes of it becomes of all. */
function callOf(round: readonly Waiting[]): StoreCall {
  return new Proxy((round.at(-1) as Waiting).call, {
    // As of the call itself, not of the proxy: what it has is private.
    get: (last, name) => Reflect.get(last, name),
    set: (_last, name, value) => round.every(({ call }) => Reflect.set(call, name, value)),
  })
}

/** Decodes the value of one field, and checks it, alone. */
export function readValue(field: string, text: string, { checker }: Pick<ValueRules, 'checker'>): unknown {
  return checker?.readField(field, text) ?? decode(text)
}

/** Encodes the value of one field, and checks it, alone: its size, and by the schema. */
export function encodeField(field: string, value: unknown, { checker, maxValueBytes }: ValueRules): string {
  const text = encode(field, value)
  checkSizes([[field, text]], maxValueBytes) // guard: value size
  checker?.checkWrite(new Map([[field, text]]))
  return text
}
