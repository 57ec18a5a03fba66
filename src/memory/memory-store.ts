import { ConfigError } from '../core/errors.ts'
import { isReserved } from '../core/fields.ts'
import { expiresAt, parseRecord } from '../core/record.ts'
import type {
  Accessed,
  Changes,
  Committed,
  Conflict,
  Ended,
  IncrementRefused,
  Moved,
  NewSession,
  Ok,
  Reply,
  RotateOptions,
  SessionRecord,
  SessionRef,
  SessionStore,
} from '../core/store.ts'
import { warnOnce } from '../core/warn.ts'

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

/** What stands where Redis has a hash with a TTL. */
interface Entry {
  readonly fields: Map<string, string>
  readonly expiry: number
}

/** One clock for all, which no change of the wall clock moves. */
const STARTED = Date.now() - performance.now()

class MemoryStore implements SessionStore {
  /** By id, the least recently used first. Rotated sessions leave a tombstone, as in Redis. */
  readonly #entries = new Map<string, Entry>()
  readonly #maxSessions: number

  constructor(maxSessions: number) {
    this.#maxSessions = maxSessions
  }

  now(): number {
    return Math.floor(STARTED + performance.now())
  }

  async load(id: string): Promise<SessionRecord | null> {
    const found = this.#find(id)
    if (found.status === 'moved') return this.load(found.to)
    if (found.status === 'ended') return null
    this.#put(id, found.record.fields, found.expiry)
    // A copy: what the caller holds does not change under it.
    return { ...found.record, fields: new Map(found.record.fields) }
  }

  async touch(ref: SessionRef, every: number): Promise<Reply<Accessed>> {
    const found = this.#find(ref.id)
    if (found.status !== 'ok') return found
    const { lastAccessedAt } = found.record
    if (this.now() - lastAccessedAt < every) return { status: 'ok', lastAccessedAt }
    return { status: 'ok', lastAccessedAt: this.#write(found.record, found.record.fields) }
  }

  async commit(ref: SessionRef, changes: Changes): Promise<Reply<Committed> | IncrementRefused> {
    const found = this.#find(ref.id)
    if (found.status !== 'ok') return found
    const fields = new Map(found.record.fields)
    const increments: number[] = []
    for (const [field, by] of changes.increments) {
      const text = fields.get(field) ?? '0'
      if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return { status: 'not-integer', field }
      const value = Number(text) + by
      if (!Number.isSafeInteger(Number(text)) || !Number.isSafeInteger(value)) return { status: 'out-of-range', field }
      fields.set(field, String(value))
      increments.push(value)
    }
    if (changes.replace) for (const field of [...fields.keys()]) if (!isReserved(field)) fields.delete(field)
    for (const [field, text] of changes.set) fields.set(field, text)
    for (const field of changes.remove) fields.delete(field)
    if (changes.idleTimeout !== null) fields.set('session_ttl', String(changes.idleTimeout / 1000))
    return { status: 'ok', lastAccessedAt: this.#write(found.record, fields), increments }
  }

  async update(
    ref: SessionRef,
    field: string,
    expected: string | null,
    next: string | null,
  ): Promise<Reply<Accessed> | Conflict> {
    const found = this.#find(ref.id)
    if (found.status !== 'ok') return found
    const fields = new Map(found.record.fields)
    const actual = fields.get(field) ?? null
    if (actual !== expected) return { status: 'conflict', actual } // guard: compare
    if (next === null) fields.delete(field)
    else fields.set(field, next)
    return { status: 'ok', lastAccessedAt: this.#write(found.record, fields) }
  }

  async create(session: NewSession): Promise<{ status: 'ok'; now: number } | { status: 'full' }> {
    const { id, userId, idleTimeout, lifetime, data, maxPerUser } = session
    const now = this.now()
    if (userId !== null) {
      const others = this.#live().filter((record) => record.userId === userId)
      others.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
      const tooMany = others.length - maxPerUser.limit + 1
      if (tooMany > 0 && maxPerUser.whenFull === 'refuse') return { status: 'full' }
      for (const { id } of others.slice(0, Math.max(0, tooMany))) this.#entries.delete(id)
    }
    const fields = new Map([
      ['created_at', String(now)],
      ['last_accessed_at', String(now)],
      ['session_ttl', String(idleTimeout / 1000)],
      ['deadline', String(now + lifetime)],
    ])
    if (userId !== null) fields.set('user_id', userId)
    for (const [field, text] of data) fields.set(field, text)
    this.#put(id, fields, now + Math.min(idleTimeout, lifetime))
    this.#evict()
    return { status: 'ok', now }
  }

  async rotate(ref: SessionRef, to: string, { grace, reuseWindow }: RotateOptions): Promise<Reply<Accessed>> {
    const found = this.#find(ref.id)
    if (found.status !== 'ok') return found
    const { record } = found
    const now = this.now()
    const tombstone = new Map([
      ['_successor', to],
      ['_grace_until', String(now + grace)],
    ])
    this.#put(ref.id, tombstone, Math.min(now + Math.max(grace, reuseWindow), record.deadline))
    const lastAccessedAt = this.#write({ ...record, id: to }, new Map(record.fields))
    this.#evict()
    return { status: 'ok', lastAccessedAt }
  }

  async destroy(ref: SessionRef): Promise<Reply<{ now: number }>> {
    const found = this.#find(ref.id)
    if (found.status !== 'ok') return found
    this.#entries.delete(ref.id)
    return { status: 'ok', now: this.now() }
  }

  async timeToLive(id: string): Promise<number | null> {
    const found = this.#find(id)
    if (found.status === 'moved') return this.timeToLive(found.to)
    return found.status === 'ok' ? found.expiry - this.now() : null
  }

  async count(): Promise<number> {
    return this.#live().length
  }

  async recent(limit: number): Promise<SessionRecord[]> {
    return this.#live()
      .sort((a, b) => b.lastAccessedAt - a.lastAccessedAt || (a.id < b.id ? 1 : -1))
      .slice(0, limit)
      .map((record) => ({ ...record, fields: new Map([...record.fields].filter(([field]) => isReserved(field))) }))
  }

  async close(): Promise<void> {}

  /** The scripts' guard: the session is alive, or why it is not. */
  #find(id: string): Ok<{ record: SessionRecord; expiry: number }> | Ended | Moved {
    const entry = this.#entries.get(id)
    if (entry === undefined) return { status: 'ended' }
    if (entry.expiry <= this.now()) {
      this.#entries.delete(id)
      return { status: 'ended' }
    }
    const to = entry.fields.get('_successor')
    if (to !== undefined && this.now() < Number(entry.fields.get('_grace_until'))) return { status: 'moved', to } // guard: grace
    const record = parseRecord(id, entry.fields)
    return record === null ? { status: 'ended' } : { status: 'ok', record, expiry: entry.expiry }
  }

  /** Writes a session that is accessed now. @returns now */
  #write(record: SessionRecord, fields: ReadonlyMap<string, string>): number {
    const now = this.now()
    const written = new Map(fields).set('last_accessed_at', String(now))
    const idleTimeout = Math.round(Number(written.get('session_ttl')) * 1000)
    this.#put(record.id, written, expiresAt({ lastAccessedAt: now, idleTimeout, deadline: record.deadline }))
    return now
  }

  /** As the most recently used. */
  #put(id: string, fields: ReadonlyMap<string, string>, expiry: number): void {
    this.#entries.delete(id)
    this.#entries.set(id, { fields: fields as Map<string, string>, expiry })
  }

  #live(): SessionRecord[] {
    const records: SessionRecord[] = []
    for (const id of [...this.#entries.keys()]) {
      const found = this.#find(id)
      if (found.status === 'ok') records.push(found.record)
    }
    return records
  }

  /** Makes room: first what has expired, then the least recently used. */
  #evict(): void {
    if (this.#entries.size <= this.#maxSessions) return
    for (const [id, { expiry }] of this.#entries) if (expiry <= this.now()) this.#entries.delete(id)
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxSessions) return
      this.#entries.delete(id)
      warnOnce(
        'COATCHECK_MEMORY_STORE_FULL',
        `memoryStore() holds maxSessions (${this.#maxSessions}) sessions, so the least recently used end. Use redisStore(client).`,
      )
    }
  }
}
