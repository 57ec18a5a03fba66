import { AsyncLocalStorage } from 'node:async_hooks'
import { scripts } from '../src/redis/scripts.ts'

/** One Redis command that an action has cost. */
export interface RecordedCommand {
  /** Every word of it. For a script that is EVALSHA and the script's hash, or EVAL and its source. */
  readonly words: readonly string[]
  /** The name of the script, as in `lua/`, if it runs one. */
  readonly script: string | null
  /** `false` on the memory store: this is what would be sent to Redis. */
  readonly sent: boolean
}

const nameOfScript = new Map(
  Object.entries(scripts).flatMap(([name, { sha1, source }]) => [
    [sha1, name],
    [source, name],
  ]),
)

/**
 * Notes which commands a request costs. Requests run side by side on one store, so the notes follow the request through
 * its asynchronous calls.
 */
export class CommandRecorder {
  readonly #notes = new AsyncLocalStorage<RecordedCommand[] | null>()

  /** Runs a request. What it causes is noted. */
  record<T>(request: () => T): T {
    return this.#notes.run([], request)
  }

  /** Runs what is no part of the action: the demo's own look at the store. */
  offTheRecord<T>(look: () => T): T {
    return this.#notes.run(null, look)
  }

  /** What the current request has cost so far. */
  get commands(): readonly RecordedCommand[] {
    return [...(this.#notes.getStore() ?? [])]
  }

  /** Hears a command as it is sent. */
  readonly sent = (words: readonly string[]): void => this.#note(words, true)

  /** Hears a command as it would be sent, were there a Redis. */
  readonly wouldSend = (words: readonly string[]): void => this.#note(words, false)

  #note(words: readonly string[], sent: boolean): void {
    const isScript = words[0] === 'EVALSHA' || words[0] === 'EVAL'
    const script = (isScript && nameOfScript.get(words[1] ?? '')) || null
    this.#notes.getStore()?.push({ words, script, sent })
  }
}
