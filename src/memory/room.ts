import type { NewSession, SessionRecord } from '../core/store.ts'

/** What has to end for one session more of its user, by id; `null`: the user has too many already. */
export function roomFor(
  { maxPerUser, fields, takesOver }: NewSession,
  there: readonly SessionRecord[],
): { evicted: string[]; replaced: string[] } | null {
  let own = there
  own = own.filter(({ id }) => id !== takesOver) // guard: taken over
  const deviceId = fields.get('device_id')
  const isReplaced = (record: SessionRecord) => deviceId !== undefined && record.fields.get('device_id') === deviceId
  const others = own.filter((record) => !isReplaced(record))
  others.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  const tooMany = Math.max(0, others.length - maxPerUser.limit + 1)
  if (tooMany > 0 && maxPerUser.whenFull === 'refuse') return null
  return { evicted: others.slice(0, tooMany).map(({ id }) => id), replaced: own.filter(isReplaced).map(({ id }) => id) }
}
