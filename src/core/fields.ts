import { LONGEST_NAME } from './bounds.ts'
import { FieldError } from './errors.ts'
import { isText, textOf } from './kinds.ts'

/** The fields of the session hash that are coatcheck's own. Every name that begins with `_` is reserved too. */
export const RESERVED_FIELDS = [
  'created_at',
  'last_accessed_at',
  'session_ttl',
  'deadline',
  'user_id',
  'roles',
  'authenticated_at',
  'device',
  'device_id',
  'ip',
  'request_count',
] as const

/** A field name that an application cannot use. */
export type ReservedField = (typeof RESERVED_FIELDS)[number] | `_${string}`

/**
 * Session data without reserved names: a type that uses one does not compile.
 * @example createSessions<{ cart: string[] }>({ store })
 */
export type DataOf<Data> = {
  [Field in keyof Data]: Field extends ReservedField ? `coatcheck reserves the field name '${Field}'` : Data[Field]
}

const reserved: ReadonlySet<string> = new Set(RESERVED_FIELDS)

/** Whether coatcheck keeps this field name for itself. */
export function isReserved(field: string): boolean {
  return field.startsWith('_') || reserved.has(field)
}

/** Whether an application's field can have this name. */
export function isOwnField(field: string): boolean {
  return isText(field, LONGEST_NAME) && !isReserved(field)
}

/**
 * Checks the name of an application's field: a well-formed string of 1 to 256 characters that is not reserved.
 * @throws FieldError `ERR_FIELD_RESERVED`, `ERR_FIELD_NAME`
 */
export function checkField(field: unknown): asserts field is string {
  if (!isText(field, LONGEST_NAME)) {
    const shown = typeof field === 'string' ? field.slice(0, 32).toWellFormed() : typeof field
    throw new FieldError('ERR_FIELD_NAME', shown, `A field name must be ${textOf(LONGEST_NAME)}.`)
  }
  if (isReserved(field)) {
    throw new FieldError(
      'ERR_FIELD_RESERVED',
      field,
      `The field name '${field}' is reserved by coatcheck; choose another name.`,
    )
  }
}

/**
 * Checks encoded values about to be written.
 * @param most bytes of UTF-8 that each of them may take
 * @throws FieldError `ERR_FIELD_TOO_LARGE`
 */
export function checkSizes(fields: Iterable<readonly [field: string, text: string]>, most: number): void {
  for (const [field, text] of fields) {
    // A UTF-16 unit takes three bytes at most: nearly every value needs no counting.
    if (text.length * 3 <= most || Buffer.byteLength(text) <= most) continue
    throw new FieldError(
      'ERR_FIELD_TOO_LARGE',
      field,
      `The field '${field}' holds more than ${most} bytes, the limit (maxValueBytes). Keep large things elsewhere and their keys here.`,
    )
  }
}
