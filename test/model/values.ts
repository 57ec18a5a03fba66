import { isDeepStrictEqual } from 'node:util'
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

/** What is to be written and removed so that what is stored, as far as that is `known`, becomes `values`. */
export function differences(
  known: ReadonlyMap<string, unknown>,
  values: ReadonlyMap<string, unknown>,
): { set: Map<string, unknown>; remove: string[] } {
  const set = new Map<string, unknown>()
  for (const [field, value] of values) {
    if (value === undefined) continue
    if (!isJson(value)) throw new Refused('ERR_FIELD_VALUE', field)
    if (known.has(field) && isDeepStrictEqual(known.get(field), value)) continue
    checkField(field)
    set.set(field, structuredClone(value))
  }
  return { set, remove: [...known.keys()].filter((field) => values.get(field) === undefined) }
}

/** The data with differences made. */
export function changed(
  data: ReadonlyMap<string, unknown>,
  { set, remove }: ReturnType<typeof differences>,
): Map<string, unknown> {
  const next = new Map([...data, ...set])
  for (const field of remove) next.delete(field)
  return structuredClone(next)
}

export function checkUserId(userId: string): void {
  if (userId === '') throw new Refused('ERR_ARGUMENT')
}

/** What a session says of its user and device. */
export function checkDetails({
  roles = [],
  device,
  deviceId,
}: {
  roles?: readonly string[]
  device?: string
  deviceId?: string
}) {
  if (!Array.isArray(roles) || roles.includes('') || deviceId === '') throw new Refused('ERR_ARGUMENT')
  return { roles: [...new Set<string>(roles)], device: device ?? null, deviceId: deviceId ?? null }
}

export function toObject(data: ReadonlyMap<string, unknown>): Data {
  return Object.fromEntries(structuredClone(data))
}

function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return ['string', 'boolean', 'object'].includes(typeof value)
  return Object.values(value).every(isJson)
}
