import { DEEPEST } from './bounds.ts'
import { FieldError } from './errors.ts'

/**
 * How a value of the session data is written in a hash field. A value is JSON if and only if it begins with `"`, `[` or
 * `{`, is `true`, `false` or `null`, or matches JSON's number grammar (RFC 8259 section 6); all else is a raw string. So
 * `username` reads `andrew` in redis-cli, `page_views` reads `3`, and `HINCRBY` works on integers.
 */
const JSON_TEXT = /^(?:["[{]|(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$)/

function isJson(text: string): boolean {
  return JSON_TEXT.test(text)
}

/**
 * The text to store for a value.
 * @throws FieldError `ERR_FIELD_VALUE` when it has no faithful JSON form: NaN, Infinity, a function, a symbol, a BigInt, a
 *   cycle, `undefined` inside an array, a Map, a Set, another object that JSON would store as an empty one, or more than 500
 *   levels of nesting.
 */
export function encode(field: string, value: unknown): string {
  if (typeof value === 'string') {
    return isJson(value) || !value.isWellFormed() ? JSON.stringify(value) : value
  }
  // As JSON.stringify has it, without the way there.
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return `${value}`
  try {
    const text = JSON.stringify(value, refuseUnfaithful)
    if (text !== undefined) {
      if (isTooDeep(text)) throw new Unfaithful(`more than ${DEEPEST} levels of nesting`) // guard: nesting
      return text
    }
  } catch (error) {
    throw unfaithful(field, reasonOf(error))
  }
  throw unfaithful(field, typeof value)
}

/** The value of a stored text. Text that begins like JSON and is none, or too deep (another hand wrote it), is kept as a string. */
export function decode(text: string): unknown {
  if (!isJson(text) || isTooDeep(text)) return text
  try {
    const value: unknown = JSON.parse(text)
    // JSON's grammar allows 1e400, which is no number here: then the text as a whole is kept.
    if (MAYBE_TOO_LARGE.test(text)) encode('', value)
    return value
  } catch {
    return text
  }
}

/** Only a number with an exponent or with more than 308 digits can be too large. */
const MAYBE_TOO_LARGE = /\d[eE]|\d{309}/

/** Whether JSON text is nested more than {@link DEEPEST} levels. */
function isTooDeep(text: string): boolean {
  if (text.length <= 2 * DEEPEST) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === 34 /* " */) inString = !inString
    else if (inString && char === 92 /* \ */) i++
    else if (inString) continue
    else if (char === 91 /* [ */ || char === 123 /* { */) depth++
    else if (char === 93 /* ] */ || char === 125 /* } */) depth--
    if (depth > DEEPEST) return true
  }
  return false
}

class Unfaithful extends Error {}

function reasonOf(error: unknown): string {
  if (error instanceof Unfaithful) return error.message
  // The stack has not sufficed, or there is no string as long.
  return error instanceof RangeError ? 'more than JSON.stringify can write' : 'a cycle'
}

/** JSON.stringify's replacer: `this` is the object or array that holds `value`. */
function refuseUnfaithful(this: unknown, _key: string, value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) throw new Unfaithful(String(value)) // guard: finite
      break
    case 'undefined':
      if (Array.isArray(this)) throw new Unfaithful('undefined inside an array') // guard: undefined in an array
      break
    case 'object': {
      if (value === null || Array.isArray(value)) break
      // What has toJSON (a Date, a URL) is a string or plain object by now.
      const kind = Object.prototype.toString.call(value)
      if (kind !== '[object Object]') throw new Unfaithful(`a ${kind.slice(8, -1)}`) // guard: kind
      break
    }
    case 'function':
    case 'symbol':
    case 'bigint':
      throw new Unfaithful(`a ${typeof value}`)
  }
  return value
}

function unfaithful(field: string, what: string): FieldError {
  return new FieldError(
    'ERR_FIELD_VALUE',
    field,
    `The field '${field}' holds ${what}, which JSON cannot keep. Store plain objects, arrays, strings, finite numbers, booleans or null.`,
  )
}
