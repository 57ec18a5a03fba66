import { decode, encode } from '../../core/codec.ts'
import type { SessionRecord } from '../../core/store.ts'
import { COOKIE_FIELD, EXPIRES_FIELD, propertyOf } from './properties.ts'

/** What the store is known to hold of a session: what changes are told from. */
export interface Known extends Pick<SessionRecord, 'id' | 'lastAccessedAt' | 'idleTimeout'> {
  /** Properties and cookie, encoded, by hash field. */
  readonly fields: ReadonlyMap<string, string>
  /** Fields of which nobody knows what they hold: a write of them is under way, or failed and may have been carried out. */
  readonly unsure: ReadonlySet<string>
}

/** What differs between the store and a session. */
export interface Difference {
  readonly set: ReadonlyMap<string, string>
  readonly remove: readonly string[]
}

const NONE: ReadonlySet<string> = new Set()

/** A session as it was just read. */
export function knownOf({ id, lastAccessedAt, idleTimeout, fields }: SessionRecord): Known {
  const own = new Map<string, string>()
  for (const [field, text] of fields) if (isCookie(field) || propertyOf(field) !== null) own.set(field, text)
  return { id, lastAccessedAt, idleTimeout, fields: own, unsure: NONE }
}

/** A session that has just begun. */
export function begun(
  id: string,
  fields: ReadonlyMap<string, string>,
  lastAccessedAt: number,
  idleTimeout: number,
): Known {
  return { id, fields, lastAccessedAt, idleTimeout, unsure: NONE }
}

/** What has to be written for the store to hold `fields` and no others. */
export function difference(known: Known, fields: ReadonlyMap<string, string>): Difference {
  const set = new Map<string, string>()
  for (const [field, text] of fields) {
    if (known.unsure.has(field) || !isSame(known.fields.get(field), text)) set.set(field, text)
  }
  const remove = new Set<string>()
  for (const before of [known.fields, known.unsure]) {
    for (const field of before.keys()) if (!fields.has(field)) remove.add(field)
  }
  return { set, remove: [...remove] }
}

/** The same after what differed was written. */
export function after(known: Known, { set, remove }: Difference, lastAccessedAt: number, idleTimeout: number): Known {
  const fields = new Map(known.fields)
  for (const [field, text] of set) fields.set(field, text)
  for (const field of remove) fields.delete(field)
  return { id: known.id, fields, lastAccessedAt, idleTimeout, unsure: without(known.unsure, { set, remove }) }
}

function without(unsure: ReadonlySet<string>, { set, remove }: Difference): ReadonlySet<string> {
  return unsure.size === 0 ? NONE : new Set([...unsure].filter((field) => !set.has(field) && !remove.includes(field)))
}

/** The same while what differs is being written, or when nobody knows whether it was: the next write writes these fields again. */
export function whileUnderWay(known: Known, { set, remove }: Difference): Known {
  return { ...known, unsure: new Set([...known.unsure, ...set.keys(), ...remove]) }
}

export function isCookie(field: string): boolean {
  return field === COOKIE_FIELD || field === EXPIRES_FIELD
}

/** Another hand may have spelt the same value differently: that is no change of this request. */
function isSame(stored: string | undefined, text: string): boolean {
  return stored === text || (stored !== undefined && encode('', decode(stored)) === text)
}
