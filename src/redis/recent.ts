import { parseRecord } from '../core/record.ts'
import type { Page, SessionRecord } from '../core/store.ts'
import { tags } from '../core/tags.ts'
import { tagOf } from '../core/token.ts'
import type { Keys } from './keys.ts'
import { reservedFields } from './reserved-fields.ts'

/** What reading the most recent sessions needs. Commands sent in one turn are pipelined by the client. */
export interface RecentSource {
  readonly keys: Keys
  send(words: readonly string[]): Promise<unknown>
}

interface Entry {
  readonly id: string
  readonly seen: number
}

/** One partition's `seen` index, read from the latest on. */
interface Partition {
  readonly tag: string
  /** Only what comes after this one is wanted. */
  readonly after: Entry | null
  entries: Entry[]
  /** How many entries have been read so far. */
  read: number
  exhausted: boolean
}

/**
 * The sessions accessed last, over all partitions: a few entries of each, merged; where a partition's entries run out before
 * the list is full, the next few of that one. So the cost depends on `limit` and the number of partitions, never on how many
 * sessions there are.
 */
export async function recentSessions(source: RecentSource, limit: number, page: Page): Promise<SessionRecord[]> {
  const after = page.after && { id: page.after.id, seen: page.after.lastAccessedAt }
  const partitions = tags.map((tag): Partition => ({ tag, after, entries: [], read: 0, exhausted: false }))
  const step = Math.ceil(limit / tags.length) + 4
  // By id: a session touched meanwhile moves to the head of its partition, and the one before it is read twice.
  const sessions = new Map<string, SessionRecord>()
  const gone: string[] = []
  while (sessions.size < limit) {
    while (partitions.some(runsOut)) {
      await Promise.all(partitions.filter(runsOut).map((partition) => readOn(source, partition, step)))
    }
    const ids = takeLatest(partitions, limit - sessions.size)
    if (ids.length === 0) break
    const read = (id: string) => reservedFields(source.send, source.keys.session(id), page.fields)
    const found = await Promise.all(ids.map(read))
    found.forEach((fields, i) => {
      const id = ids[i] as string
      const record = parseRecord(id, fields)
      if (record !== null) sessions.set(id, record)
      else if (fields.size === 0) gone.push(id)
    })
  }
  // What has expired leaves the index; only now, as the ranks read above would shift.
  await Promise.all(gone.map((id) => source.send(['ZREM', source.keys.seen(tagOf(id)), id])))
  return [...sessions.values()]
}

function runsOut({ entries, exhausted }: Partition): boolean {
  return entries.length === 0 && !exhausted
}

async function readOn(source: RecentSource, partition: Partition, step: number): Promise<void> {
  const { tag, after, read } = partition
  const from = after === null ? '+inf' : String(after.seen)
  const words = ['ZRANGE', source.keys.seen(tag), from, '-inf', 'BYSCORE', 'REV', 'LIMIT', String(read), String(step)]
  const entries = toEntries(await source.send([...words, 'WITHSCORES']))
  // Several may have been accessed in the very millisecond in which the page before this one ended.
  partition.entries = after === null ? entries : entries.filter((entry) => isLater(after, entry))
  partition.read += entries.length
  partition.exhausted = entries.length < step
}

/** RESP2 gives member and score in turn, RESP3 pairs of them. */
function toEntries(reply: unknown): Entry[] {
  const flat = (reply as unknown[]).flat() as [string, string | number]
  const entries: Entry[] = []
  for (let i = 0; i < flat.length; i += 2) entries.push({ id: String(flat[i]), seen: Number(flat[i + 1]) })
  return entries
}

/** The latest entries of all, as far as they are certain: up to where a partition has to be read on. */
function takeLatest(partitions: Partition[], most: number): string[] {
  const taken: string[] = []
  while (taken.length < most && !partitions.some(runsOut)) {
    let best: Partition | undefined
    for (const partition of partitions) {
      if (partition.entries[0] && (!best?.entries[0] || isLater(partition.entries[0], best.entries[0])))
        best = partition
    }
    const entry = best?.entries.shift()
    if (entry === undefined) break
    taken.push(entry.id)
  }
  return taken
}

function isLater(a: Entry, b: Entry): boolean {
  return a.seen > b.seen || (a.seen === b.seen && a.id > b.id)
}
