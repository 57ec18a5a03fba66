import { giveUp } from '../core/deadline.ts'
import { ConfigError } from '../core/errors.ts'
import { expiresAt, parseRecord } from '../core/record.ts'
import type {
  Accessed,
  Changes,
  Committed,
  Conflict,
  IncrementRefused,
  NewSession,
  Ok,
  Reply,
  RotateOptions,
  SessionRecord,
  SessionRef,
  SessionStore,
  StoreCall,
} from '../core/store.ts'
import { tags } from '../core/tags.ts'
import { isId } from '../core/token.ts'
import { warnOnce } from '../core/warn.ts'
import { type NodeRedisClient, nodeRedis, type RedisConnection } from './clients/node-redis.ts'
import { RedisClock, toInstant } from './clock.ts'
import { Commands, evalCommand, type ScriptCall } from './commands.ts'
import { isReply, storeError } from './errors.ts'
import { Keys } from './keys.ts'
import { probe } from './probe.ts'
import { type RecentSource, recentSessions } from './recent.ts'

/** How sessions are kept in Redis. */
export interface RedisStoreOptions {
  /** Before every key. Default `session:`. Applications that share a Redis need different ones. */
  prefix?: string
  /** Keep the indexes that `recent()` and the statistics read. Default `true`; `false` saves about 280 B a session. */
  monitoring?: boolean
  /**
   * Called with every command as it is sent, for tracing. The arguments hold session data, never a token. It must not throw.
   */
  onCommand?: (words: readonly string[]) => void
}

/** A broken hash without a TTL gets this one: time enough to look at it, and no key is immortal. */
const BROKEN_HASH_TTL = 7 * 24 * 60 * 60 * 1000

/**
 * Keeps sessions in Redis 7.0 or newer, or Valkey 7.2 or newer: one hash each.
 * @param client a connected node-redis client (5 or 6). It stays yours: share it, listen to it, close it. Its `error` events
 *   are listened to here too, so that a lost connection never ends the process.
 * @example redisStore(await createClient({ url: 'redis://localhost:6379' }).connect())
 * @throws ConfigError
 */
export function redisStore(client: NodeRedisClient, options: RedisStoreOptions = {}): SessionStore {
  return new RedisStore(nodeRedis(client), options)
}

type Words = readonly unknown[]

class RedisStore implements SessionStore {
  readonly #connection: RedisConnection
  readonly #commands: Commands
  readonly #monitoring: boolean
  readonly #onCommand: ((words: readonly string[]) => void) | undefined
  readonly #clock = new RedisClock()
  readonly #stopProbing: () => void

  constructor(connection: RedisConnection, options: RedisStoreOptions) {
    this.#monitoring = options.monitoring ?? true
    this.#commands = new Commands(new Keys(options.prefix ?? 'session:'), this.#monitoring)
    this.#onCommand = options.onCommand
    this.#connection = connection
    this.#stopProbing = connection.onReady(() => void probe(connection, this.#clock))
  }

  async load(id: string, call: StoreCall): Promise<SessionRecord | null> {
    let at = id
    try {
      let fields = toMap(await this.#send(this.#commands.load(id), call))
      while (fields.has('_successor')) {
        const from = at
        const successor = fields.get('_successor')
        if (!isId(successor)) return await this.#broken(from, call) // guard: successor
        at = successor
        const [status, , successorFields] = await this.#run(this.#commands.follow(from, successor), call)
        if (status !== 'ok') return null // guard: grace
        fields = toMap(successorFields)
      }
      if (fields.size === 0) return null
      return parseRecord(at, fields) ?? (await this.#broken(at, call))
    } catch (error) {
      if (isReply(error, 'WRONGTYPE')) return this.#broken(at, call) // guard: wrong type
      throw error
    }
  }

  async touch(ref: SessionRef, every: number, call: StoreCall): Promise<Reply<Accessed>> {
    const words = await this.#onSession(ref, call, (at) => this.#commands.touch(at, every))
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(words[2]) }))
  }

  async commit(ref: SessionRef, changes: Changes, call: StoreCall): Promise<Reply<Committed> | IncrementRefused> {
    const words = await this.#onSession(ref, call, (at) => this.#commands.commit(at, changes))
    const [status, now, ...increments] = words
    if (status === 'not-integer' || status === 'out-of-range') return { status, field: String(now) }
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(now), increments: increments.map(Number) }))
  }

  async update(
    ref: SessionRef,
    field: string,
    expected: string | null,
    next: string | null,
    call: StoreCall,
  ): Promise<Reply<Accessed> | Conflict> {
    const words = await this.#onSession(ref, call, (at) => this.#commands.update(at, field, expected, next))
    if (words[0] === 'conflict') return { status: 'conflict', actual: words.length > 1 ? String(words[1]) : null }
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(words[1]) }))
  }

  async create(session: NewSession, call: StoreCall): Promise<{ status: 'ok'; now: number } | { status: 'full' }> {
    let others: readonly string[] = []
    while (true) {
      const [status, detail] = await this.#run(this.#commands.create(session, others), call)
      if (status === 'full') return { status: 'full' }
      if (status !== 'crowded') return { status: 'ok', now: Number(detail) }
      // The user is at the limit: the hashes of the sessions that may have to end must be declared as keys.
      if (call.expired) giveUp(call) // guard: deadline
      others = detail as string[]
    }
  }

  async rotate(ref: SessionRef, to: string, options: RotateOptions, call: StoreCall): Promise<Reply<Accessed>> {
    const words = await this.#onSession(ref, call, (at) => this.#commands.rotate(at, to, options))
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(words[1]) }))
  }

  async destroy(ref: SessionRef, call: StoreCall): Promise<Reply<{ now: number }>> {
    const words = await this.#onSession(ref, call, (at) => this.#commands.destroy(at))
    return replyOf(words, () => ({ status: 'ok', now: Number(words[1]) }))
  }

  async timeToLive(id: string, call: StoreCall): Promise<number | null> {
    const record = await this.load(id, call)
    if (record === null) return null
    const left = Number(await this.#send(this.#commands.timeToLive(record.id), call))
    if (left !== -1) return left < 0 ? null : left
    // Somebody has taken the TTL away: nothing here is immortal.
    const at = expiresAt(record)
    await this.#send(['PEXPIREAT', this.#commands.keys.session(record.id), String(at), 'NX'], call) // guard: lost TTL
    const now = await this.#now(call)
    return now < at ? at - now : null
  }

  async count(call: StoreCall): Promise<number> {
    const since = `(${await this.#now(call)}`
    const { keys } = this.#commands
    const counts = await Promise.all(
      tags
        .flatMap((tag) => [keys.guests(tag), keys.members(tag)])
        .map((key) => this.#send(['ZCOUNT', key, since, '+inf'], call)),
    )
    return counts.reduce<number>((sum, count) => sum + Number(count), 0)
  }

  async recent(limit: number, call: StoreCall): Promise<SessionRecord[]> {
    if (!this.#monitoring) throw new ConfigError('recent() needs the store option monitoring: true.')
    const source: RecentSource = { keys: this.#commands.keys, send: (words) => this.#send(words, call) }
    return recentSessions(source, limit)
  }

  now(): number | null {
    return this.#clock.now()
  }

  async close(): Promise<void> {
    this.#stopProbing()
  }

  /** Redis's time, asked for only if no answer has told it yet. */
  async #now(call: StoreCall): Promise<number> {
    const known = this.#clock.now()
    if (known !== null) return known
    const sentAt = performance.now()
    return this.#clock.heard(toInstant(await this.#send(['TIME'], call)), sentAt)
  }

  /** A hash that is no session to this version: reads as none, is said once, gets a TTL if it has none, is never deleted. */
  async #broken(id: string, call: StoreCall): Promise<null> {
    const key = this.#commands.keys.session(id)
    const message = `The key ${key} holds no session that this version can read; it reads as none.`
    warnOnce('COATCHECK_BROKEN_SESSION', message, key)
    await this.#send(['PEXPIRE', key, String(BROKEN_HASH_TTL), 'NX'], call) // guard: broken hash expires
    return null
  }

  /** Runs a script on a session; when it turns out to be another user's, once more with that user's index keys. */
  async #onSession(ref: SessionRef, call: StoreCall, command: (ref: SessionRef) => ScriptCall): Promise<Words> {
    let words = await this.#run(command(ref), call)
    while (words[0] === 'user') {
      if (call.expired) giveUp(call) // guard: deadline
      const userId = String(words[1])
      words = await this.#run(command({ id: ref.id, userId: userId === '' ? null : userId }), call)
    }
    return words
  }

  /** By EVALSHA, then whole when the server does not know the script. The only place that runs scripts. */
  async #run(script: ScriptCall, call: StoreCall): Promise<Words> {
    const sentAt = performance.now()
    let words: Words
    try {
      words = (await this.#send(evalCommand(script), call)) as Words
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) throw error // guard: only NOSCRIPT
      if (call.expired) giveUp(call) // guard: deadline
      words = (await this.#send(evalCommand(script, 'EVAL'), call)) as Words
    }
    if (words[0] === 'ok') this.#clock.heard(Number(words[1]), sentAt)
    return words
  }

  async #send(words: readonly string[], call: StoreCall): Promise<unknown> {
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
}

function replyOf<T>(words: Words, ok: () => Ok<T>): Reply<T> {
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
function toMap(flat: unknown): Map<string, string> {
  const words = flat as string[]
  const map = new Map<string, string>()
  for (let i = 0; i + 1 < words.length; i += 2) map.set(words[i] as string, words[i + 1] as string)
  return map
}
