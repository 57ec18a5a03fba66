import { isReserved } from '../core/fields.ts'
import type { Changes, IncrementRefused } from '../core/store.ts'

/** Changes the fields of a session as a commit says. @returns the new value of each increment; if one is refused, why */
export function applyChanges(fields: Map<string, string>, changes: Changes): number[] | IncrementRefused {
  const increments: number[] = []
  for (const [field, by] of changes.increments) {
    const text = fields.get(field) ?? '0'
    if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return { status: 'not-integer', field }
    const value = Number(text) + by
    if (!Number.isSafeInteger(Number(text)) || !Number.isSafeInteger(value)) return { status: 'out-of-range', field }
    fields.set(field, String(value))
    increments.push(value)
  }
  countRequests(fields, changes.requests)
  if (changes.replace) for (const field of [...fields.keys()]) if (!isReserved(field)) fields.delete(field)
  for (const [field, text] of changes.set) fields.set(field, text)
  for (const field of changes.remove) fields.delete(field)
  if (changes.idleTimeout !== null) fields.set('session_ttl', String(changes.idleTimeout / 1000))
  return increments
}

export function countRequests(fields: Map<string, string>, requests: number): Map<string, string> {
  if (requests > 0) fields.set('request_count', String(Number(fields.get('request_count') ?? 0) + requests))
  return fields
}
