import { isReserved } from '../core/fields.ts'
import type { Counts, Page, SessionRecord } from '../core/store.ts'

export function count(live: readonly SessionRecord[]): Counts {
  const members = userIdsOf(live).length
  return { guests: live.length - members, members }
}

export function countUsers(live: readonly SessionRecord[]): number {
  return new Set(userIdsOf(live)).size
}

export function countByIdleAge(live: readonly SessionRecord[], limits: readonly number[], now: number): number[] {
  return limits.map((limit) => live.filter(({ lastAccessedAt }) => now - lastAccessedAt <= limit).length)
}

/** The sessions last accessed, in this order. */
export function recent(live: readonly SessionRecord[], limit: number, { after, fields }: Page): SessionRecord[] {
  return live
    .filter((record) => after === null || isLater(after, record))
    .sort((a, b) => (isLater(a, b) ? -1 : 1))
    .slice(0, limit)
    .map((record) => withoutData(record, fields))
}

/** @param but these fields of the data */
export function withoutData(record: SessionRecord, but: readonly string[] = []): SessionRecord {
  const kept = [...record.fields].filter(([field]) => isReserved(field) || but.includes(field))
  return { ...record, fields: new Map(kept) }
}

function userIdsOf(live: readonly SessionRecord[]): string[] {
  return live.flatMap(({ userId }) => userId ?? [])
}

/** Whether `a` was accessed later than `b`; of the same millisecond, by id. */
function isLater(
  a: Pick<SessionRecord, 'id' | 'lastAccessedAt'>,
  b: Pick<SessionRecord, 'id' | 'lastAccessedAt'>,
): boolean {
  return a.lastAccessedAt > b.lastAccessedAt || (a.lastAccessedAt === b.lastAccessedAt && a.id > b.id)
}
