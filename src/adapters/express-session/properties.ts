import { decode, encode } from '../../core/codec.ts'
import { isOwnField } from '../../core/fields.ts'

/** The session's cookie as JSON, without when it expires: that changes with every request. */
export const COOKIE_FIELD = '_cookie'
/** When the session's cookie expires, in epoch milliseconds; absent for one that ends with the browser. */
export const EXPIRES_FIELD = '_expires'
/** So many characters have no more than 500 levels. */
const SHALLOW = 1000
/** A property as an assignment makes it. */
const ASSIGNED = { configurable: true, enumerable: true, writable: true }
/** Before the name of a property that coatcheck keeps for itself, or that is no name of a field. */
const ESCAPE = '_p:'

/** So many names are remembered: sessions have the same few, each of which every request asks for several times. */
const NAMES = 1000

/** The hash field that holds a property of the session. */
export const fieldOf: (property: string) => string = remembering((property) => {
  if (isOwnField(property)) return property
  // Redis keeps UTF-8, which has no place for half a surrogate pair: such a name is kept as JSON writes it.
  return ESCAPE + (property.isWellFormed() ? property : JSON.stringify(property))
})

/** The property of the session that a hash field holds; `null`: none, the field is coatcheck's own. */
export const propertyOf: (field: string) => string | null = remembering((field) => {
  if (field.startsWith(ESCAPE)) {
    const property = field.slice(ESCAPE.length)
    const name = property.startsWith('"') ? decode(property) : property
    return typeof name === 'string' && !name.isWellFormed() ? name : property
  }
  return fieldOf(field) === field ? field : null
})

function remembering<T>(answer: (name: string) => T): (name: string) => T {
  const answers = new Map<string, T>()
  return (name) => {
    const known = answers.get(name)
    if (known !== undefined) return known
    const found = answer(name)
    if (answers.size < NAMES) answers.set(name, found)
    return found
  }
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
    const text = encodeProperty(property, value)
    if (text !== undefined) fields.set(fieldOf(property), text)
  }
  return fields
}

/** `undefined`: JSON leaves it out. */
function encodeProperty(property: string, value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return encode(property, value)
  const json = JSON.stringify(value) as string | undefined
  if (json === undefined || isPlainJson(json)) return json
  return encode(property, JSON.parse(json))
}

/** Whether this is what `encode` would write, too: an object or an array that cannot be nested too deep. */
function isPlainJson(json: string): boolean {
  return (json.startsWith('{') || json.startsWith('[')) && json.length <= SHALLOW
}

/** The properties of a session that hash fields hold, decoded; without `cookie`. */
export function decodeProperties(fields: ReadonlyMap<string, string>): Record<string, unknown> {
  const session: Record<string, unknown> = {}
  for (const [field, text] of fields) {
    const property = propertyOf(field)
    if (property === null) continue
    const value = decode(text)
    // Assigned, this one would be another prototype.
    if (property === '__proto__') Object.defineProperty(session, property, { ...ASSIGNED, value })
    else session[property] = value
  }
  return session
}
