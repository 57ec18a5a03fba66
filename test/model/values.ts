import { type Data, Refused } from './operations.ts'

// What the model knows of field names and values: what may be stored, and as what it comes back.

const RESERVED =
  /^(?:_.*|created_at|last_accessed_at|session_ttl|deadline|user_id|roles|authenticated_at|device|device_id|ip|request_count)$/

export function checkField(field: string): void {
  if (field === '' || field.length > 256) throw new Refused('ERR_FIELD_NAME', field.slice(0, 32))
  if (RESERVED.test(field)) throw new Refused('ERR_FIELD_RESERVED', field)
}

/** The data as it is kept: `undefined` is no value, and what JSON cannot say is refused. */
export function checked(data: Data): Map<string, unknown> {
  const kept = new Map<string, unknown>()
  for (const [field, value] of Object.entries(data)) {
    checkField(field)
    if (value === undefined) continue
    if (!isJson(value)) throw new Refused('ERR_FIELD_VALUE', field)
    kept.set(field, structuredClone(value))
  }
  return kept
}

export function toObject(data: ReadonlyMap<string, unknown>): Data {
  return Object.fromEntries(structuredClone(data))
}

function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return ['string', 'boolean', 'object'].includes(typeof value)
  return Object.values(value).every(isJson)
}
