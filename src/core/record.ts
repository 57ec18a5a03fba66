import { decode } from './codec.ts'
import { isReserved } from './fields.ts'
import type { DataChecker } from './schema.ts'
import type { SessionRecord } from './store.ts'
import { numberOf, rolesOf } from './user-fields.ts'

/** What is known of a session apart from its data. Instants are epoch milliseconds by the store's clock. */
export interface SessionInfo {
  /** The public id: may be shown and logged, and logs nobody in. */
  readonly id: string
  readonly userId: string | null
  readonly createdAt: number
  readonly lastAccessedAt: number
  /** Milliseconds without activity after which the session ends. */
  readonly idleTimeout: number
  /** The instant at which the session ends whatever the activity. */
  readonly deadline: number
  /** The instant at which it ends without further activity: the earlier of idle timeout and deadline. */
  readonly expiresAt: number
  readonly roles: readonly string[]
  /** When the user last logged in with this session. */
  readonly authenticatedAt: number | null
  /** A short label of the device that it was begun on, such as `Chrome on macOS`. */
  readonly device: string | null
  /** The application's own id of that device. */
  readonly deviceId: string | null
  /** The address that the login came from, as far as the option `address` keeps it. */
  readonly ip: string | null
  /** How many requests have come with it, as far as the store has been told: up to `touchInterval` behind. */
  readonly requestCount: number
}

/** A session as an application sees it outside a request. */
export interface SessionSnapshot<Data> extends SessionInfo {
  /** With a schema, reading this throws a DataError when the stored data does not fit it. */
  readonly data: Partial<Data>
}

const INSTANT = /^\d{1,16}$/
const SECONDS = /^(?=.{1,20}$)\d+(?:\.\d+)?$/
const LONGEST_TIMEOUT = 1e13

/**
 * Reads the fields of a stored session, by the rules of lua/prelude.lua; `null` for a hash that lacks a mandatory field,
 * holds nonsense in one, or is of a later format (`_v`): such a hash is no session, and never deleted (a newer instance of a
 * rolling deployment may know it).
 */
export function parseRecord(id: string, fields: ReadonlyMap<string, string>): SessionRecord | null {
  const createdAt = instant(fields.get('created_at'))
  const lastAccessedAt = instant(fields.get('last_accessed_at'))
  const deadline = instant(fields.get('deadline'))
  const idleTimeout = timeout(fields.get('session_ttl'))
  if (createdAt === null || lastAccessedAt === null || idleTimeout === null || deadline === null) return null // guard: alive
  if (fields.has('_v')) return null // guard: later format
  return {
    id,
    userId: fields.get('user_id') ?? null,
    createdAt,
    lastAccessedAt,
    idleTimeout,
    deadline,
    fields,
  }
}

function instant(text: string | undefined): number | null {
  return text !== undefined && INSTANT.test(text) ? Number(text) : null
}

/** Seconds as milliseconds. */
function timeout(text: string | undefined): number | null {
  const ms = text !== undefined && SECONDS.test(text) ? Math.round(Number(text) * 1000) : 0
  return ms >= 1 && ms < LONGEST_TIMEOUT ? ms : null
}

/** When a session ends without further activity. Exact: every access sets Redis's TTL and `last_accessed_at` from one instant. */
export function expiresAt(record: Pick<SessionRecord, 'lastAccessedAt' | 'idleTimeout' | 'deadline'>): number {
  return Math.min(record.lastAccessedAt + record.idleTimeout, record.deadline)
}

/** The application's own fields of a stored session, still encoded. */
export function dataFields(fields: ReadonlyMap<string, string>): Map<string, string> {
  const own = new Map<string, string>()
  // `__proto__` begins with `_`, so it never reaches an object either.
  for (const [field, text] of fields) if (!isReserved(field)) own.set(field, text)
  return own
}

/** Decodes the application's fields into one object. */
export function decodeData(fields: ReadonlyMap<string, string>): Record<string, unknown> {
  const data: Record<string, unknown> = {}
  for (const [field, text] of fields) data[field] = decode(text)
  return data
}

/** What the application sees of a stored session without its data. */
export function infoOf(record: SessionRecord): SessionInfo {
  const { fields, ...known } = record
  return {
    ...known,
    expiresAt: expiresAt(record),
    roles: rolesOf(record),
    authenticatedAt: numberOf(record, 'authenticated_at'),
    device: fields.get('device') ?? null,
    deviceId: fields.get('device_id') ?? null,
    ip: fields.get('ip') ?? null,
    requestCount: numberOf(record, 'request_count') ?? 0,
  }
}

/** What the application sees of a stored session. With a schema, its data is checked when it is first read. */
export function snapshot<Data>(record: SessionRecord, checker: DataChecker | null): SessionSnapshot<Data> {
  const stored = decodeData(dataFields(record.fields))
  const seen = infoOf(record)
  if (checker === null) return { ...seen, data: stored as Partial<Data> }
  let data: Partial<Data> | undefined
  return {
    ...seen,
    get data() {
      data ??= checker.read(stored).values as Partial<Data>
      return data
    },
  }
}
