import type { CheckableStore, Finding } from '../core/check.ts'
import { ConfigError } from '../core/errors.ts'
import { parseRecord } from '../core/record.ts'
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
import { tagOf } from '../core/token.ts'
import { warnOnce } from '../core/warn.ts'
import { applyChanges, countRequests } from './changes.ts'
import { Entries } from './entries.ts'
import { count, countByIdleAge, countUsers, recent, withoutData } from './queries.ts'
import { roomFor } from './room.ts'

/** A write that is an access in any case. */
const ALWAYS: TouchRule = { longest: 0, parts: 1 }

/** How sessions are kept in memory. */
export interface MemoryStoreOptions {
  /** Above this number, the least recently used session ends. Default 10,000. */
  maxSessions?: number
}

/**
 * Keeps sessions in this process, by the same contract as Redis. For development and tests, not for production: sessions
 * end with the process, no other process sees them, and their number is bounded. Warns when `NODE_ENV` is `production`.
 * @throws ConfigError
 */
export function memoryStore(options: MemoryStoreOptions = {}): SessionStore {
  const { maxSessions = 10_000 } = options
  if (!Number.isSafeInteger(maxSessions) || maxSessions < 1) {
    throw new ConfigError('maxSessions must be a whole number above 0.')
  }
  if (process.env.NODE_ENV === 'production') {
    warnOnce(
      'COATCHECK_MEMORY_STORE',
      'memoryStore() is for development and tests: sessions end with this process and no other sees them. Use redisStore(client).',
    )
  }
  return new MemoryStore(maxSessions)
}

/** For how long, in milliseconds, a log-out-everywhere is remembered. */
const LOGIN_LASTS = 10 * 60 * 1000

/** One clock for all, which no change of the wall clock moves. */
const STARTED = Date.now() - performance.now()

class MemoryStore implements SessionStore, CheckableStore {
  readonly #entries: Entries
  /** When users were last logged out everywhere, everyone under the empty name; by the clock with its fraction. */
  readonly #since = new Map<string, number>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()

  constructor(maxSessions: number) {
    this.#entries = new Entries(maxSessions, () => this.now())
  }

  /** What it is not, whatever its state. */
  async check(): Promise<Finding[]> {
    const message =
      'Sessions are kept in the memory of this process: they end with it, and no other process sees them. Use redisStore(client) in production.'
    return [{ code: 'MEMORY_STORE', level: 'warning', message }]
  }

  now(): number {
    return Math.floor(STARTED + performance.now())
  }

  async load(id: string, reuse: Note | null): Promise<SessionRecord | Reused | Adopted | null> {
    return this.#load(id, reuse)
  }

  #load(id: string, reuse: Note | null): SessionRecord | Reused | Adopted | null {
    const fields = this.#entries.fields(id)
    if (fields === null) return null
    const successor = fields.get('_successor')
    if (successor !== undefined) {
      if (this.now() < Number(fields.get('_grace_until'))) return this.#load(successor, reuse)
      const first = reuse !== null && !fields.has('_reused')
      if (first) {
        fields.set('_reused', '1')
        this.#tell(reuse, successor, this.#entries.fields(successor)?.get('user_id') ?? null)
      }
      return { status: 'reused', successor, first }
    }
    const adopted = fields.get('_adopted_as')
    if (adopted !== undefined) {
      if (this.now() >= Number(fields.get('_adopted_until'))) return null // guard: grace of an adoption
      return { status: 'adopted', successor: adopted }
    }
    const record = parseRecord(id, fields)
    if (record === null) return null
    this.#entries.put(id, fields, this.#entries.expiry(id))
    // A copy: what the caller holds does not change under it.
    return { ...record, fields: new Map(fields) }
  }

  async touch(ref: SessionRef, every: number, requests: number): Promise<Reply<Accessed>> {
    const found = this.#entries.find(ref.id)
    if (found.status !== 'ok') return found
    const fields = countRequests(new Map(found.record.fields), requests)
    const touch = { longest: every, parts: 1 }
    return { status: 'ok', lastAccessedAt: this.#entries.writeAndTouch(found.record, fields, touch) }
  }

  async write(id: string, set: ReadonlyMap<string, string>): Promise<boolean> {
    const found = this.#entries.find(id)
    // A seal that has lapsed is left to `commit` too, as with Redis.
    if (found.status !== 'ok' || found.record.fields.has('_sealed_until')) return false
    const fields = new Map([...found.record.fields, ...set])
    this.#entries.put(id, fields, this.#entries.expiry(id))
    return true
  }

  async commit(ref: SessionRef, changes: Changes, touch: TouchRule): Promise<Reply<Committed> | IncrementRefused> {
    const found = this.#entries.find(ref.id)
    if (found.status !== 'ok') return found
    const fields = new Map(found.record.fields)
    const increments = applyChanges(fields, changes)
    if ('status' in increments) return increments
    const due = changes.idleTimeout === null ? touch : ALWAYS
    return { status: 'ok', lastAccessedAt: this.#entries.writeAndTouch(found.record, fields, due), increments }
  }

  async update(
    ref: SessionRef,
    field: string,
    expected: string | null,
    next: string | null,
    touch: TouchRule,
  ): Promise<Reply<Accessed> | Conflict> {
    const found = this.#entries.find(ref.id)
    if (found.status !== 'ok') return found
    const fields = new Map(found.record.fields)
    const actual = fields.get(field) ?? null
    if (actual !== expected) return { status: 'conflict', actual } // guard: compare
    if (next === null) fields.delete(field)
    else fields.set(field, next)
    return { status: 'ok', lastAccessedAt: this.#entries.writeAndTouch(found.record, fields, touch) }
  }

  async create(session: NewSession): Promise<Ok<Created> | Ended | { status: 'full' } | { status: 'revoked' }> {
    const { id, userId, idleTimeout, lifetime, note } = session
    const now = this.now()
    const there = this.#entries.fields(id)
    if (there?.has('_ended')) return { status: 'ended' } // guard: tombstone
    if (there) return { status: 'ok', now, existed: true, evicted: [], replaced: [] }
    let evicted: string[] = []
    let replaced: string[] = []
    if (userId !== null) {
      const since = Math.max(this.#since.get(userId) ?? 0, this.#since.get('') ?? 0)
      if (STARTED + session.begun < since) return { status: 'revoked' } // guard: login before log out everywhere
      const room = roomFor(session, this.#ofUser(userId))
      if (room === null) return { status: 'full' }
      evicted = room.evicted
      replaced = room.replaced
      for (const old of [...evicted, ...replaced]) this.#entries.delete(old)
    }
    const fields = new Map([
      ['created_at', String(now)],
      ['last_accessed_at', String(now)],
      ['session_ttl', String(idleTimeout / 1000)],
      ['deadline', String(now + lifetime)],
    ])
    if (userId !== null) fields.set('user_id', userId).set('authenticated_at', String(now))
    for (const [field, text] of session.fields) fields.set(field, text)
    this.#entries.put(id, fields, now + Math.min(idleTimeout, lifetime))
    this.#entries.evict()
    this.#tell(note, id, userId, now)
    const ended = { ...note, previous: null }
    for (const old of evicted) this.#tell({ ...ended, type: 'evicted', cause: 'limit' }, old, userId, now)
    for (const old of replaced) this.#tell({ ...ended, type: 'revoked', cause: 'device' }, old, userId, now)
    return { status: 'ok', now, existed: false, evicted, replaced }
  }

  async rotate(ref: SessionRef, to: string, rotation: Rotation): Promise<Reply<Accessed>> {
    const found = this.#entries.find(ref.id)
    if (found.status !== 'ok') return found
    const { record } = found
    const { grace, reuseWindow, renew, note } = rotation
    const now = this.now()
    const tombstone = new Map([
      ['_successor', to],
      ['_grace_until', String(now + grace)],
    ])
    this.#entries.put(ref.id, tombstone, Math.min(now + Math.max(grace, reuseWindow), record.deadline))
    const fields = new Map(record.fields).set('_rotated_at', String(now))
    const deadline = renew === null ? record.deadline : now + renew.lifetime
    if (renew !== null) {
      fields.set('created_at', String(now)).set('authenticated_at', String(now)).set('deadline', String(deadline))
      fields.set('session_ttl', String(renew.idleTimeout / 1000))
    }
    for (const [field, text] of rotation.set) fields.set(field, text)
    for (const field of rotation.remove) fields.delete(field)
    const lastAccessedAt = this.#entries.write({ ...record, id: to, deadline }, fields)
    this.#entries.evict()
    this.#tell({ ...note, previous: ref.id }, to, record.userId, lastAccessedAt)
    return { status: 'ok', lastAccessedAt }
  }

  async seal(ref: SessionRef, by: string, ms: number): Promise<Reply<{ record: SessionRecord }>> {
    const fields = this.#entries.fields(ref.id)
    if (ms === 0) {
      if (fields?.get('_sealed_by') === by) for (const field of ['_sealed_by', '_sealed_until']) fields.delete(field)
      return { status: 'ended' }
    }
    const found = this.#entries.find(ref.id)
    if (found.status !== 'ok') return found
    fields?.set('_sealed_by', by).set('_sealed_until', String(this.now() + ms))
    return { status: 'ok', record: { ...found.record, fields: new Map(fields) } }
  }

  async release(
    ref: SessionRef,
    by: string,
    pointer: Pointer | null,
    note: Note,
  ): Promise<Ok<object> | Ended | { status: 'lapsed' }> {
    const fields = this.#entries.fields(ref.id)
    if (fields === null) return { status: 'ended' }
    const adopted = fields.get('_adopted_as')
    if (adopted !== undefined && adopted === pointer?.successor) return { status: 'ok' } // guard: adopted already
    if (adopted !== undefined) return { status: 'lapsed' } // guard: adopted by another
    if (fields.has('_ended')) return { status: 'ended' }
    const holds = fields.get('_sealed_by') === by && this.now() < Number(fields.get('_sealed_until'))
    if (!holds) return { status: 'lapsed' } // guard: seal lapsed
    this.#end(ref.id, ref.userId, note)
    if (pointer !== null) this.#point(ref.id, pointer)
    return { status: 'ok' }
  }

  async destroy(
    ref: SessionRef,
    note: Note,
    _call: StoreCall,
    remember = 0,
  ): Promise<Reply<{ now: number; userId: string | null }>> {
    const found = this.#entries.find(ref.id)
    if (found.status !== 'ok' && found.status !== 'sealed') {
      if (found.status === 'ended' && this.#entries.fields(ref.id) === null) this.#bury(ref.id, remember) // guard: nothing there
      return found // guard: alive
    }
    const userId = this.#entries.fields(ref.id)?.get('user_id') ?? null
    const now = this.now()
    this.#end(ref.id, userId, note, now)
    this.#bury(ref.id, remember)
    return { status: 'ok', now, userId }
  }

  async listUser(userId: string): Promise<SessionRecord[]> {
    return this.#ofUser(userId).map((record) => withoutData(record))
  }

  async revokeUser(
    userId: string,
    keep: string | null,
    note: Note,
  ): Promise<Ok<{ ids: string[]; more: boolean }> | Ended> {
    const own = this.#ofUser(userId).map(({ id }) => id)
    if (keep !== null && !own.includes(keep)) return { status: 'ended' }
    this.#mark(userId) // guard: since
    const ids = own.filter((id) => id !== keep)
    for (const id of ids) this.#end(id, userId, note)
    return { status: 'ok', ids, more: false }
  }

  async setUserRoles(userId: string, roles: string | null, note: Note): Promise<string[]> {
    const own = this.#ofUser(userId)
    for (const { id } of own) {
      const fields = this.#entries.fields(id)
      if (roles === null) fields?.delete('roles')
      else fields?.set('roles', roles)
      this.#tell(note, id, userId)
    }
    return own.map(({ id }) => id)
  }

  async revokeLogins(): Promise<void> {
    this.#mark('')
  }

  async partition(partition: number): Promise<SessionRef[]> {
    return this.#entries.live().filter(({ id }) => tagOf(id) === tags[partition])
  }

  async timeToLive(id: string): Promise<number | null> {
    const record = this.#load(id, null)
    return record === null || 'status' in record ? null : this.#entries.expiry(record.id) - this.now()
  }

  async count(): Promise<Counts> {
    return count(this.#entries.live())
  }

  async countUsers(): Promise<number> {
    return countUsers(this.#entries.live())
  }

  async countByIdleAge(limits: readonly number[]): Promise<number[]> {
    return countByIdleAge(this.#entries.live(), limits, this.now())
  }

  async recent(limit: number, page: Page): Promise<SessionRecord[]> {
    return recent(this.#entries.live(), limit, page)
  }

  subscribe(listener: (event: StoreEvent) => void): Subscription {
    this.#listeners.add(listener)
    return { ready: Promise.resolve(), end: () => void this.#listeners.delete(listener) }
  }

  async close(): Promise<void> {}

  /** Remembers it for as long as a login may be under way. */
  #mark(userId: string): void {
    const now = STARTED + performance.now()
    for (const [name, since] of this.#since) if (since < now - LOGIN_LASTS) this.#since.delete(name)
    this.#since.set(userId, now)
  }

  #ofUser(userId: string): SessionRecord[] {
    return this.#entries.live().filter((record) => record.userId === userId)
  }

  /** Remembers that an id is over. */
  #bury(id: string, remember: number): void {
    if (remember === 0) return
    const now = this.now()
    this.#entries.put(id, new Map([['_ended', String(now)]]), now + remember)
    this.#entries.evict()
  }

  /** Remembers that an id is over, and where its session goes on. */
  #point(id: string, { successor, ms, remember }: Pointer): void {
    const now = this.now()
    const fields = { _ended: now, _adopted_as: successor, _adopted_until: now + ms }
    const written = new Map(Object.entries(fields).map(([field, value]) => [field, String(value)]))
    this.#entries.put(id, written, now + Math.max(ms, remember))
  }

  #end(id: string, userId: string | null, note: Note, at?: number): void {
    this.#entries.delete(id)
    this.#tell(note, id, userId, at)
  }

  /** @param at the instant that the store has written or answers, if any: the event is not a millisecond later */
  #tell(note: Note, id: string, userId: string | null, at = this.now()): void {
    for (const listener of this.#listeners) listener({ ...note, id, userId, at })
  }
}
