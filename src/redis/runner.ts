import { setTimeout as pause } from 'node:timers/promises'
import { giveUp } from '../core/deadline.ts'
import type { Ok, Reply, SessionRef, StoreCall } from '../core/store.ts'
import type { RedisConnection, Server } from './clients/connection.ts'
import { readHash } from './clients/hash-reply.ts'
import { RedisClock, toInstant } from './clock.ts'
import { evalCommand, type ScriptCall } from './commands.ts'
import { AwayError, isReply, mayPass, storeError } from './errors.ts'
import type { Replicas } from './replicas/replicas.ts'

/** Milliseconds between what was refused for a passing reason and the next attempt: the first time, and at most. */
const FIRST_WAIT = 4
const LONGEST_WAIT = 100

/** A reply of several words, the first of which says what became of the call. */
export type Words = readonly unknown[]

/** Sends commands and runs scripts over one connection, and hears from the answers what time it is where they come from. */
export class Runner {
  readonly #clocks = new WeakMap<Server, RedisClock>()
  readonly #connection: RedisConnection
  readonly #onCommand: ((words: readonly string[]) => void) | undefined
  readonly #replicas: Replicas | null

  /** @param replicas to wait for, after scripts that begin or end a login */
  constructor(
    connection: RedisConnection,
    onCommand?: (words: readonly string[]) => void,
    replicas: Replicas | null = null,
  ) {
    this.#connection = connection
    this.#onCommand = onCommand
    this.#replicas = replicas
  }

  send(words: readonly string[], call: StoreCall, sentTo?: (server: Server) => void): Promise<unknown> {
    return this.#send(words, call, () => this.#connection.send(words, call, sentTo))
  }

  /**
   * Sends a command and makes something of its reply, in one step: each promise on the way costs a read time.
   * @param failed what to make of an error
   */
  read<T>(
    words: readonly string[],
    call: StoreCall,
    parse: (reply: unknown) => T | Promise<T>,
    failed: (error: unknown) => T | Promise<T>,
  ): Promise<T> {
    return this.#send(words, call, () => this.#connection.send(words, call), parse, failed)
  }

  #send<Reply, T>(
    words: readonly string[],
    call: StoreCall,
    send: () => Promise<Reply>,
    parse?: (reply: Reply) => T | Promise<T>,
    failed?: (error: unknown) => T | Promise<T>,
  ): Promise<T> {
    this.#onCommand?.(words)
    // Also after one that was refused, as with NOSCRIPT: from here on nobody knows what becomes of this one.
    call.outcome = 'unknown' // guard: unknown again
    const refused = (error: unknown) => again(error, call, send).then(parse, failed) as Promise<T>
    try {
      return send().then(parse, refused) as Promise<T>
    } catch (error) {
      return refused(error) // a client that throws at once, instead of rejecting
    }
  }

  /** By EVALSHA, then whole when the server does not know the script. The only place that runs scripts. */
  async run(script: ScriptCall, call: StoreCall): Promise<Words> {
    let sent: { server: Server; at: number } | undefined
    const sentTo = (server: Server) => {
      sent = { server, at: performance.now() }
    }
    let words: Words
    try {
      words = (await this.send(evalCommand(script), call, sentTo)) as Words
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) throw error // guard: only NOSCRIPT
      if (call.expired) giveUp(call) // guard: deadline
      words = (await this.send(evalCommand(script, 'EVAL'), call, sentTo)) as Words
    }
    if (sent === undefined) return words
    const { server, at } = sent
    if (words[0] === 'ok') this.clockOf(server).heard(Number(words[1]), at)
    if (script.awaited?.includes(String(words[0]))) {
      await this.#replicas?.acknowledged(server, script.keys[0] as string, call) // guard: wait for replicas
    }
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

  /** The clock of one server: those of the servers of a cluster differ. */
  clockOf(server: Server): RedisClock {
    let clock = this.#clocks.get(server)
    if (clock === undefined) {
      clock = new RedisClock()
      this.#clocks.set(server, clock)
    }
    return clock
  }

  /** The time where a key is (none given: anywhere), or `null` if no answer has told it yet. */
  known(key?: string): number | null {
    const server = this.#connection.serverOf(key)
    return server === null ? null : this.clockOf(server).now()
  }

  /** The time where a key is, asked for only if no answer has told it yet. */
  async now(key: string, call: StoreCall): Promise<number> {
    return this.known(key) ?? ((await this.#ask(key, call)).now() as number)
  }

  /** The time where a key is at an instant of `performance.now()`, at the earliest. */
  async earliest(instant: number, key: string, call: StoreCall): Promise<number> {
    const server = this.#connection.serverOf(key)
    const known = server === null || this.clockOf(server).now() === null ? null : this.clockOf(server)
    return (known ?? (await this.#ask(key, call))).earliest(instant)
  }

  async #ask(key: string, call: StoreCall): Promise<RedisClock> {
    return this.#send(['TIME'], call, async () => {
      const server = this.#connection.serverOf(key)
      if (server === null) throw new AwayError('No server of Redis is known to hold the session')
      const sentAt = performance.now()
      const reply = await server.send(['TIME'], call)
      const clock = this.clockOf(server)
      clock.heard(toInstant(reply), sentAt)
      return clock
    })
  }
}

/** Sends again what was refused for a passing reason, as long as the deadline lasts. */
async function again<T>(error: unknown, call: StoreCall, send: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const failure = storeError(error)
    // What an operation has sent before this was answered, so the whole of it has not been carried out either.
    if (failure.outcome === 'none') call.outcome = 'none' // guard: not carried out
    if (!mayPass(failure)) throw failure
    call.refusal = failure // guard: what the deadline says
    await aWhile(attempt, call.signal)
    if (call.expired) throw failure // guard: deadline
    call.outcome = 'unknown' // guard: unknown once more
    try {
      const reply = await send()
      call.refusal = undefined
      return reply
    } catch (next) {
      error = next
    }
  }
}

/** Waits a little, and longer from time to time; no longer than until the call is withdrawn. */
async function aWhile(attempt: number, signal: AbortSignal): Promise<void> {
  // Not all at once: those who were refused together would come back together.
  const ms = Math.min(FIRST_WAIT * 2 ** attempt, LONGEST_WAIT) * (0.5 + Math.random() / 2)
  await pause(ms, undefined, { signal }).catch(() => undefined)
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

/** A map, or a flat array of fields and values, as text or as bytes. */
export function toMap(flat: unknown): Map<string, string> {
  if (flat instanceof Map) return flat
  const words = flat as string[] | Buffer[]
  if (typeof words[0] === 'object') return readHash(words as Buffer[])
  const map = new Map<string, string>()
  for (let i = 0; i + 1 < words.length; i += 2) map.set(words[i] as string, words[i + 1] as string)
  return map
}
