import { decode, encode } from '../../core/codec.ts'
import { isOwnField } from '../../core/fields.ts'

/** The session's cookie as JSON, without when it expires: that changes with every request. */
export const COOKIE_FIELD = '_cookie'
/** When the session's cookie expires, in epoch milliseconds; absent for one that ends with the browser. */
export const EXPIRES_FIELD = '_expires'
/** Before the name of a property that coatcheck keeps for itself, or that is no name of a field. */
const ESCAPE = '_p:'

/** The hash field that holds a property of the session. */
export function fieldOf(property: string): string {
  if (isOwnField(property)) return property
  // Redis keeps UTF-8, which has no place for half a surrogate pair: such a name is kept as JSON writes it.
  return ESCAPE + (property.isWellFormed() ? property : JSON.stringify(property))
}

/** The property of the session that a hash field holds; `null`: none, the field is coatcheck's own. */
export function propertyOf(field: string): string | null {
  if (field.startsWith(ESCAPE)) {
    const property = field.slice(ESCAPE.length)
    const name = property.startsWith('"') ? decode(property) : property
    return typeof name === 'string' && !name.isWellFormed() ? name : property
  }
  return fieldOf(field) === field ? field : null
}

/**
 * The properties of a session as JSON keeps them, encoded by hash field; without `cookie`. What JSON leaves out or changes (a
 * function, a Date, NaN) is left out or changed as every other store of express-session does.
 * @throws TypeError for what JSON cannot write: a cycle, a BigInt
 */
export function encodeProperties(session: object): Map<string, string> {
  const fields = new Map<string, string>()
  for (const [property, value] of Object.entries(session)) {
    if (property === 'cookie') continue
    const json = JSON.stringify(value) as string | undefined
    if (json !== undefined) fields.set(fieldOf(property), encode(property, JSON.parse(json)))
  }
  return fields
}

/** The properties of a session that hash fields hold, decoded; without `cookie`. */
export function decodeProperties(fields: ReadonlyMap<string, string>): Record<string, unknown> {
  const session: Record<string, unknown> = {}
  for (const [field, text] of fields) {
    const property = propertyOf(field)
    // Defined, not assigned: a property may be called `__proto__`.
    if (property !== null)
      Object.defineProperty(session, property, {
        value: decode(text),
        configurable: true,
        enumerable: true,
        writable: true,
      })
  }
  return session
}
