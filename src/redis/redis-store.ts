import type { CheckableStore, Finding } from '../core/check.ts'
import { giveUp } from '../core/deadline.ts'
import { expiresAt, parseRecord } from '../core/record.ts'
import type {
  Accessed,
  Adopted,
  Changes,
  Committed,
  Conflict,
  Counts,
  Created,
  Ended,
  IncrementRefused,
  NewSession,
  Note,
  Ok,
  Page,
  Pointer,
  Reply,
  Reused,
  Rotation,
  SessionRecord,
  SessionRef,
  SessionStore,
  StoreCall,
  StoreEvent,
  Subscription,
  TouchRule,
} from '../core/store.ts'
import { tags } from '../core/tags.ts'
import { isId } from '../core/token.ts'
import { warnOnce } from '../core/warn.ts'
import { check } from './check/check.ts'
import { connectionOf, type RedisClient } from './clients/clients.ts'
import type { RedisConnection } from './clients/connection.ts'
import { Commands } from './commands.ts'
import { isReply } from './errors.ts'
import { inParts } from './in-parts.ts'
import { Keys } from './keys.ts'
import { Monitoring } from './monitoring.ts'
import { probe } from './probe.ts'
import { type Replicas, replicasToWaitFor } from './replicas/replicas.ts'
import { Runner, replyOf, toMap } from './runner.ts'
import { subscribe } from './subscription.ts'
import { UserSessions } from './user-sessions.ts'

/** How sessions are kept in Redis. */
export interface RedisStoreOptions {
  /** Before every key. Default `session:`. Applications that share a Redis need different ones. */
  prefix?: string
  /** Keep the indexes that `recent()` and the statistics read. Default `true`; `false` saves 170 to 280 B a session. */
  monitoring?: boolean
  /**
   * What begins or ends a login (login, logout, every revoke, new roles) is answered once so many replicas have it too, or else with
   * `ERR_STORE_REPLICAS`. Default 0: a failover may undo what came just before it. Costs `WAIT`, on a connection of its own to
   * each master, once for all that come while another one runs.
   */
  waitForReplicas?: number
  /**
   * Called with every command as it is sent, for tracing. The arguments hold session data, never a token. It must not throw.
   */
  onCommand?: (words: readonly string[]) => void
}

/** A broken hash without a TTL gets this one: time enough to look at it, and no key is immortal. */
const BROKEN_HASH_TTL = 7 * 24 * 60 * 60 * 1000

/**
 * Keeps sessions in Redis 7.0 or newer, or Valkey 7.2 or newer: one hash each.
 * @param client a node-redis client (5 or 6), an ioredis client (5 or 6) or an iovalkey client, of one server, of a Redis Cluster
 *   or of what Sentinels watch. It stays yours: share it, listen to it, close it. Its `error` events are listened to here too, so that a lost connection never ends the process.
 * @example redisStore(await createClient({ url: 'redis://localhost:6379' }).connect())
 * @example redisStore(new Redis('redis://localhost:6379', { autoResendUnfulfilledCommands: false }))
 * @throws ConfigError
 */
export function redisStore(client: RedisClient, options: RedisStoreOptions = {}): SessionStore {
  return new RedisStore(connectionOf(client), options)
}

class RedisStore implements SessionStore, CheckableStore {
  readonly #connection: RedisConnection
  readonly #commands: Commands
  readonly #runner: Runner
  readonly #users: UserSessions
  readonly #monitoring: Monitoring
  readonly #stopProbing: () => void
  readonly #replicas: Replicas | null

  constructor(
    connection: RedisConnection,
    { prefix = 'session:', monitoring = true, waitForReplicas = 0, onCommand }: RedisStoreOptions,
  ) {
    const keys = new Keys(prefix)
    this.#connection = connection
    this.#commands = new Commands(keys, monitoring)
    this.#replicas = replicasToWaitFor(waitForReplicas, keys, onCommand)
    this.#runner = new Runner(connection, onCommand, this.#replicas)
    this.#users = new UserSessions(this.#runner, this.#commands)
    this.#monitoring = new Monitoring(this.#runner, this.#commands.keys, monitoring)
    this.#stopProbing = connection.onReady(
      (server) => void probe(server, this.#runner.clockOf(server), this.#commands.keys),
    )
  }

  load(id: string, reuse: Note | null, call: StoreCall): Promise<SessionRecord | Reused | Adopted | null> {
    const read = (reply: unknown) => {
      const fields = toMap(reply)
      const goesOn = fields.has('_successor') || fields.has('_ended')
      return (!goesOn && parseRecord(id, fields)) || this.#follow(id, fields, reuse, call)
    }
    return this.#runner.read(this.#commands.load(id), call, read, (error) => this.#unreadable(error, id, call))
  }

  async touch(ref: SessionRef, every: number, requests: number, call: StoreCall): Promise<Reply<Accessed>> {
    const words = await this.#runner.onSession(ref, call, (at) => this.#commands.touch(at, every, requests))
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(words[2]) }))
  }

  async write(id: string, set: ReadonlyMap<string, string>, call: StoreCall): Promise<boolean> {
    const [status] = await this.#runner.run(this.#commands.write(id, set), call)
    return status === 'written'
  }

  async commit(
    ref: SessionRef,
    changes: Changes,
    touch: TouchRule,
    call: StoreCall,
  ): Promise<Reply<Committed> | IncrementRefused> {
    const words = await this.#runner.onSession(ref, call, (at) => this.#commands.commit(at, changes, touch))
    const [status, detail, accessed, ...increments] = words
    if (status === 'not-integer' || status === 'out-of-range') return { status, field: String(detail) }
    return replyOf(words, () => ({
      status: 'ok',
      lastAccessedAt: Number(accessed),
      increments: increments.map(Number),
    }))
  }

  async update(
    ref: SessionRef,
    field: string,
    expected: string | null,
    next: string | null,
    touch: TouchRule,
    call: StoreCall,
  ): Promise<Reply<Accessed> | Conflict> {
    const words = await this.#runner.onSession(ref, call, (at) =>
      this.#commands.update(at, field, expected, next, touch),
    )
    if (words[0] === 'conflict') return { status: 'conflict', actual: words.length > 1 ? String(words[1]) : null }
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(words[2]) }))
  }

  async create(
    session: NewSession,
    call: StoreCall,
  ): Promise<Ok<Created> | Ended | { status: 'full' } | { status: 'revoked' }> {
    const begun =
      session.userId === null
        ? null
        : await this.#runner.earliest(session.begun, this.#commands.keys.session(session.id), call)
    let others: readonly string[] = []
    while (true) {
      const [status, detail, evicted, replaced, existed] = await this.#runner.run(
        this.#commands.create(session, begun, others),
        call,
      )
      if (status === 'full' || status === 'revoked' || status === 'ended') return { status }
      if (status !== 'crowded') {
        const ended = { evicted: evicted as string[], replaced: replaced as string[] }
        return { status: 'ok', now: Number(detail), existed: existed === 1, ...ended }
      }
      // The hashes of the user's sessions that may have to end must be declared as keys.
      if (call.expired) giveUp(call) // guard: deadline
      others = detail as string[]
    }
  }

  async rotate(ref: SessionRef, to: string, rotation: Rotation, call: StoreCall): Promise<Reply<Accessed>> {
    const words = await this.#runner.onSession(ref, call, (at) => this.#commands.rotate(at, to, rotation))
    return replyOf(words, () => ({ status: 'ok', lastAccessedAt: Number(words[1]) }))
  }

  async seal(ref: SessionRef, by: string, ms: number, call: StoreCall): Promise<Reply<{ record: SessionRecord }>> {
    const words = await this.#runner.onSession(ref, call, (at) => this.#commands.seal(at, by, ms))
    const record = words[0] === 'ok' ? parseRecord(ref.id, toMap(words[2])) : null
    // Alive, but this version cannot read it.
    if (words[0] === 'ok' && record === null) return { status: 'ended' }
    return replyOf(words, () => ({ status: 'ok', record: record as SessionRecord }))
  }

  async release(
    ref: SessionRef,
    by: string,
    pointer: Pointer | null,
    note: Note,
    call: StoreCall,
  ): Promise<Ok<object> | Ended | { status: 'lapsed' }> {
    const [status] = await this.#runner.run(this.#commands.release(ref, by, pointer, note), call)
    return { status: status as 'ok' | 'ended' | 'lapsed' }
  }

  async destroy(
    ref: SessionRef,
    note: Note,
    call: StoreCall,
    remember = 0,
  ): Promise<Reply<{ now: number; userId: string | null }>> {
    let userId = ref.userId
    const words = await this.#runner.onSession(ref, call, (at) => {
      userId = at.userId
      return this.#commands.destroy(at, note, remember)
    })
    return replyOf(words, () => ({ status: 'ok', now: Number(words[1]), userId }))
  }

  listUser(userId: string, call: StoreCall): Promise<SessionRecord[]> {
    return this.#users.list(userId, call)
  }

  revokeUser(
    userId: string,
    keep: string | null,
    note: Note,
    call: StoreCall,
  ): Promise<Ok<{ ids: string[]; more: boolean }> | Ended> {
    return this.#users.revoke(userId, keep, note, call)
  }

  setUserRoles(userId: string, roles: string | null, note: Note, call: StoreCall): Promise<string[]> {
    return this.#users.setRoles(userId, roles, note, call)
  }

  async revokeLogins(call: StoreCall): Promise<void> {
    await inParts(tags, call, (tag, call) => this.#runner.run(this.#commands.revokeLogins(tag), call))
  }

  async partition(partition: number, call: StoreCall): Promise<SessionRef[]> {
    const tag = tags[partition] as string
    const { keys } = this.#commands
    const [guests, members] = (await Promise.all(
      [keys.guests(tag), keys.members(tag)].map((key) => this.#runner.send(['ZRANGE', key, '0', '-1'], call)),
    )) as [string[], string[]]
    const userIdOf = (id: string) => this.#runner.send(['HGET', keys.session(id), 'user_id'], call)
    // A key of another type holds no session, and must not keep the others from being ended.
    const userIds = await Promise.all(members.map((id) => userIdOf(id).catch(nullIfOfAnotherType)))
    return [
      ...guests.map((id) => ({ id, userId: null })),
      ...members.map((id, i) => ({ id, userId: userIds[i] as string | null })),
    ]
  }

  async timeToLive(id: string, call: StoreCall): Promise<number | null> {
    const record = await this.load(id, null, call)
    if (record === null || 'status' in record) return null
    const left = Number(await this.#runner.send(this.#commands.timeToLive(record.id), call))
    if (left !== -1) return left < 0 ? null : left
    // Somebody has taken the TTL away: nothing here is immortal.
    const at = expiresAt(record)
    await this.#runner.send(['PEXPIREAT', this.#commands.keys.session(record.id), String(at), 'NX'], call) // guard: lost TTL
    const now = await this.#runner.now(this.#commands.keys.session(record.id), call)
    return now < at ? at - now : null
  }

  count(call: StoreCall): Promise<Counts> {
    return this.#monitoring.count(call)
  }

  countUsers(call: StoreCall): Promise<number | null> {
    return this.#monitoring.countUsers(call)
  }

  countByIdleAge(limits: readonly number[], call: StoreCall): Promise<number[]> {
    return this.#monitoring.countByIdleAge(limits, call)
  }

  recent(limit: number, page: Page, call: StoreCall): Promise<SessionRecord[]> {
    return this.#monitoring.recent(limit, page, call)
  }

  subscribe(listener: (event: StoreEvent) => void, missed: () => void): Subscription {
    return subscribe(this.#connection, this.#commands.keys.channel, listener, missed)
  }

  check(timeout: number): Promise<Finding[]> {
    return check(this.#connection, this.#commands.keys, timeout)
  }

  now(id?: string): number | null {
    const isAnywhere = id === undefined || this.#connection.isOneServer
    return this.#runner.known(isAnywhere ? undefined : this.#commands.keys.session(id))
  }

  async close(): Promise<void> {
    this.#stopProbing()
    this.#replicas?.close()
  }

  /** What a hash leads to that is not plainly a session. */
  async #follow(
    id: string,
    hash: Map<string, string>,
    reuse: Note | null,
    call: StoreCall,
  ): Promise<SessionRecord | Reused | Adopted | null> {
    let at = id
    let fields = hash
    try {
      while (fields.has('_successor')) {
        const from = at
        const successor = fields.get('_successor')
        if (!isId(successor)) return await this.#broken(from, call) // guard: successor
        at = successor
        const [status, first, found] = await this.#runner.run(this.#commands.follow(from, successor, reuse), call)
        if (status === 'reused') return { status, successor, first: first === 1 }
        if (status !== 'ok') return null // guard: grace
        fields = toMap(found)
      }
      if (fields.size === 0) return null
      if (fields.has('_ended')) return await this.#goesOn(at, fields, call)
      return parseRecord(at, fields) ?? (await this.#broken(at, call))
    } catch (error) {
      return this.#unreadable(error, at, call)
    }
  }

  async #unreadable(error: unknown, id: string, call: StoreCall): Promise<null> {
    if (isReply(error, 'WRONGTYPE')) return this.#broken(id, call) // guard: wrong type
    throw error
  }

  /** Of a session that is over: where it goes on, as long as that is to be told. */
  async #goesOn(id: string, fields: ReadonlyMap<string, string>, call: StoreCall): Promise<Adopted | null> {
    const successor = fields.get('_adopted_as')
    if (!isId(successor)) return null
    const now = await this.#runner.now(this.#commands.keys.session(id), call)
    if (now >= Number(fields.get('_adopted_until'))) return null // guard: grace of an adoption
    return { status: 'adopted', successor }
  }

  /** A hash that is no session to this version: reads as none, is said once, gets a TTL if it has none, is never deleted. */
  async #broken(id: string, call: StoreCall): Promise<null> {
    const key = this.#commands.keys.session(id)
    const message = `The key ${key} holds no session that this version can read; it reads as none.`
    warnOnce('COATCHECK_BROKEN_SESSION', message, key)
    await this.#runner.send(['PEXPIRE', key, String(BROKEN_HASH_TTL), 'NX'], call) // guard: broken hash expires
    return null
  }
}

function nullIfOfAnotherType(error: unknown): null {
  if (isReply(error, 'WRONGTYPE')) return null // guard: entry of another type
  throw error
}
