import { expiresAt, parseRecord } from '../core/record.ts'
import type { Ended, Moved, Ok, SessionRecord, TouchRule } from '../core/store.ts'
import { warnOnce } from '../core/warn.ts'

/** What stands where Redis has a hash with a TTL. */
interface Entry {
  readonly fields: Map<string, string>
  readonly expiry: number
}

/** Sessions and tombstones by id, in a bounded number, each until it expires. */
export class Entries {
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>()
  readonly #most: number
  readonly #now: () => number

  constructor(most: number, now: () => number) {
    this.#most = most
    this.#now = now
  }

  /** The fields under an id, a tombstone's too. */
  fields(id: string): Map<string, string> | null {
    const entry = this.#entries.get(id)
    if (entry !== undefined && entry.expiry <= this.#now()) this.#entries.delete(id)
    return this.#entries.get(id)?.fields ?? null
  }

  /** The scripts' guard: the session is alive, or why it is not. */
  find(id: string): Ok<{ record: SessionRecord }> | Ended | Moved | { status: 'sealed' } {
    const fields = this.fields(id)
    if (fields === null) return { status: 'ended' }
    const to = fields.get('_successor')
    if (to !== undefined && this.#now() < Number(fields.get('_grace_until'))) return { status: 'moved', to } // guard: grace
    const record = parseRecord(id, fields)
    if (record === null) return { status: 'ended' }
    if (this.#now() < Number(fields.get('_sealed_until') ?? 0)) return { status: 'sealed' } // guard: seal
    return { status: 'ok', record }
  }

  expiry(id: string): number {
    return this.#entries.get(id)?.expiry ?? 0
  }

  /** Writes a session that is accessed now. @returns now */
  write(record: SessionRecord, fields: ReadonlyMap<string, string>): number {
    const now = this.#now()
    const written = new Map(fields).set('last_accessed_at', String(now))
    const idleTimeout = Math.round(Number(written.get('session_ttl')) * 1000)
    this.put(record.id, written, expiresAt({ lastAccessedAt: now, idleTimeout, deadline: record.deadline }))
    return now
  }

  /** Writes a session, which is accessed with it if that is due. @returns when it was last accessed */
  writeAndTouch(record: SessionRecord, fields: ReadonlyMap<string, string>, { longest, parts }: TouchRule): number {
    const { id, lastAccessedAt, idleTimeout } = record
    const due = this.#now() - lastAccessedAt >= Math.min(longest, idleTimeout / parts)
    if (due) return this.write(record, fields)
    this.put(id, fields, this.expiry(id))
    return lastAccessedAt
  }

  /** As the most recently used. */
  put(id: string, fields: ReadonlyMap<string, string>, expiry: number): void {
    this.#entries.delete(id)
    this.#entries.set(id, { fields: fields as Map<string, string>, expiry })
  }

  delete(id: string): boolean {
    return this.#entries.delete(id)
  }

  /** Live sessions, sealed ones too. */
  live(): SessionRecord[] {
    const records: SessionRecord[] = []
    for (const id of [...this.#entries.keys()]) {
      const record = parseRecord(id, this.fields(id) ?? new Map())
      if (record !== null) records.push(record)
    }
    return records
  }

  /** Makes room: first what has expired, then the least recently used. */
  evict(): void {
    if (this.#entries.size <= this.#most) return
    for (const [id, { expiry }] of this.#entries) if (expiry <= this.#now()) this.#entries.delete(id)
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= this.#most) return
      this.#entries.delete(id)
      warnOnce(
        'COATCHECK_MEMORY_STORE_FULL',
        `memoryStore() holds maxSessions (${this.#most}) sessions, so the least recently used end. Use redisStore(client).`,
      )
    }
  }
}
