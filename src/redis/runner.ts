import { giveUp } from '../core/deadline.ts'
import type { Ok, Reply, SessionRef, StoreCall } from '../core/store.ts'
import type { RedisConnection } from './clients/connection.ts'
import { RedisClock, toInstant } from './clock.ts'
import { evalCommand, type ScriptCall } from './commands.ts'
import { isReply, storeError } from './errors.ts'

/** A reply of several words, the first of which says what became of the call. */
export type Words = readonly unknown[]

/** Sends commands and runs scripts over one connection, and hears from the answers what time it is there. */
export class Runner {
  readonly clock: RedisClock = new RedisClock()
  readonly #connection: RedisConnection
  readonly #onCommand: ((words: readonly string[]) => void) | undefined

  constructor(connection: RedisConnection, onCommand?: (words: readonly string[]) => void) {
    this.#connection = connection
    this.#onCommand = onCommand
  }

  async send(words: readonly string[], call: StoreCall): Promise<unknown> {
    this.#onCommand?.(words)
    // Also after one that was refused, as with NOSCRIPT: from here on nobody knows what becomes of this one.
    call.outcome = 'unknown' // guard: unknown again
    try {
      return await this.#connection.send(words, call)
    } catch (error) {
      const failure = storeError(error)
      // What an operation has sent before this was answered, so the whole of it has not been carried out either.
      if (failure.outcome === 'none') call.outcome = 'none' // guard: not carried out
      throw failure
    }
  }

  /** By EVALSHA, then whole when the server does not know the script. The only place that runs scripts. */
  async run(script: ScriptCall, call: StoreCall): Promise<Words> {
    const sentAt = performance.now()
    let words: Words
    try {
      words = (await this.send(evalCommand(script), call)) as Words
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) throw error // guard: only NOSCRIPT
      if (call.expired) giveUp(call) // guard: deadline
      words = (await this.send(evalCommand(script, 'EVAL'), call)) as Words
    }
    if (words[0] === 'ok') this.clock.heard(Number(words[1]), sentAt)
    return words
  }

  /** Runs a script on a session; when it turns out to be another user's, once more with that user's index keys. */
  async onSession(ref: SessionRef, call: StoreCall, command: (ref: SessionRef) => ScriptCall): Promise<Words> {
    let words = await this.run(command(ref), call)
    while (words[0] === 'user') {
      if (call.expired) giveUp(call) // guard: deadline
      const userId = String(words[1])
      words = await this.run(command({ id: ref.id, userId: userId === '' ? null : userId }), call)
    }
    return words
  }

  /** Redis's time, asked for only if no answer has told it yet. */
  async now(call: StoreCall): Promise<number> {
    return this.clock.now() ?? (await this.#ask(call))
  }

  /** Redis's time at an instant of `performance.now()`, at the earliest. */
  async earliest(instant: number, call: StoreCall): Promise<number> {
    if (this.clock.now() === null) await this.#ask(call)
    return this.clock.earliest(instant)
  }

  async #ask(call: StoreCall): Promise<number> {
    const sentAt = performance.now()
    return this.clock.heard(toInstant(await this.send(['TIME'], call)), sentAt)
  }
}

/** The answer that scripts on a session give, once `ok` has read the rest of it. */
export function replyOf<T>(words: Words, ok: () => Ok<T>): Reply<T> {
  switch (words[0]) {
    case 'ok':
      return ok()
    case 'moved':
      return { status: 'moved', to: String(words[1]) }
    case 'sealed':
      return { status: 'sealed' }
    default:
      return { status: 'ended' }
  }
}

/** A flat array of fields and values. */
export function toMap(flat: unknown): Map<string, string> {
  const words = flat as string[]
  const map = new Map<string, string>()
  for (let i = 0; i + 1 < words.length; i += 2) map.set(words[i] as string, words[i + 1] as string)
  return map
}
