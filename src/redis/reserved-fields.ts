import { RESERVED_FIELDS } from '../core/fields.ts'
import { isReply } from './errors.ts'

const FIELDS: readonly string[] = [...RESERVED_FIELDS, '_v']

/**
 * Reads coatcheck's own fields of a session; none if it has ended.
 * @param more the application's fields to read with them
 */
export async function reservedFields(
  send: (words: readonly string[]) => Promise<unknown>,
  key: string,
  more: readonly string[] = [],
): Promise<Map<string, string>> {
  const names = [...FIELDS, ...more]
  const values = (await send(['HMGET', key, ...names]).catch(noneIfOfAnotherType)) as (string | null)[]
  const fields = new Map<string, string>()
  names.forEach((field, i) => {
    const value = values[i]
    if (value != null) fields.set(field, value)
  })
  return fields
}

/** A key of another type holds no session. */
function noneIfOfAnotherType(error: unknown): null[] {
  if (isReply(error, 'WRONGTYPE')) return []
  throw error
}
