import { type Done, lastMoment, outcomeOf } from './history.ts'

// What may be read of something that requests have written, when it is known when they began and were answered.

/** A moment of reading: all between these two times. */
export interface Moment {
  readonly begin: number
  readonly end: number
}

/** After everything. */
export const AT_LAST: Moment = { begin: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY }

/** Whether something acknowledged stands between a write and the moment, so that the write cannot be what is read then. */
function isOverwritten(write: Done | null, writes: readonly Done[], { begin }: Moment): boolean {
  const last = write === null ? Number.NEGATIVE_INFINITY : lastMoment(write)
  return writes.some((other) => outcomeOf(other) === 'done' && other.begin > last && other.end < begin)
}

/**
 * One value, of which the last writer wins.
 * @param writer finds who wrote what was read; `null`: it reads as nobody wrote it yet
 * @returns what is wrong with it, if anything is
 */
export function wrongRegister(writer: Done | null | undefined, writes: readonly Done[], at: Moment): string | null {
  if (writer === undefined) return 'holds what nobody wrote'
  if (writer !== null && outcomeOf(writer) === 'refused') return 'holds what was refused'
  if (writer !== null && writer.begin > at.end) return 'holds what was written later'
  return isOverwritten(writer, writes, at) ? 'has lost an acknowledged write' : null
}

/** How often something was counted. */
export function wrongCount(count: number, increments: readonly Done[], at: Moment): string | null {
  const least = increments.filter((each) => outcomeOf(each) === 'done' && each.end < at.begin).length
  const most = increments.filter((each) => outcomeOf(each) !== 'refused' && each.begin < at.end).length
  if (count < least) return `counts ${count}, of ${least} acknowledged`
  return count > most ? `counts ${count}, of ${most} asked for` : null
}

/** A list to which each request appends something of its own. */
export function wrongList(list: readonly unknown[], appends: readonly Done[], at: Moment): string | null {
  const items = new Set(list)
  if (items.size < list.length) return 'holds something twice'
  const known = new Map(appends.map((each) => [each.value as unknown, each]))
  for (const item of items) {
    const each = known.get(item)
    if (each === undefined) return 'holds what nobody appended'
    if (outcomeOf(each) === 'refused') return 'holds what was refused'
    if (each.begin > at.end) return 'holds what was appended later'
  }
  const lost = appends.filter(
    (each) => outcomeOf(each) === 'done' && each.end < at.begin && !items.has(each.value as unknown),
  )
  return lost.length > 0 ? `has lost ${lost.length} acknowledged items` : null
}
