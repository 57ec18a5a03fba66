import { decode } from '../../core/codec.ts'
import { COOKIE_FIELD, EXPIRES_FIELD } from './properties.ts'

/** As far as a Date reaches, in epoch milliseconds. */
const LAST_DATE = 8.64e15

/** When a session's cookie expires, in epoch milliseconds; `null`: with the browser. */
export function expiryOf(cookie: unknown): number | null {
  const expires = (cookie as { expires?: unknown } | null | undefined)?.expires
  // `false` and `null` both say that there is none; a Date comes from applications, a string from other stores.
  if (!expires) return null
  const at = Number(new Date(expires as string | Date))
  return Number.isFinite(at) ? at : null
}

/** The hash fields of a session's cookie; none for a session without a cookie. */
export function cookieFields(cookie: unknown): Map<string, string> {
  const fields = new Map<string, string>()
  const json = JSON.stringify(cookie) as string | undefined
  const plain: unknown = json === undefined ? null : JSON.parse(json)
  if (json === undefined || typeof plain !== 'object' || plain === null) return fields
  const at = expiryOf(plain)
  if (at === null) return fields.set(COOKIE_FIELD, json)
  const { expires: _, ...others } = plain as { expires?: unknown }
  return fields.set(EXPIRES_FIELD, String(at)).set(COOKIE_FIELD, JSON.stringify(others))
}

/** The cookie of a stored session, as JSON stores give it: `expires` is a string. `undefined`: the session has none. */
export function cookieOf(fields: ReadonlyMap<string, string>): Record<string, unknown> | undefined {
  const cookie = decode(fields.get(COOKIE_FIELD) ?? '')
  if (typeof cookie !== 'object' || cookie === null) return undefined
  const at = Number(fields.get(EXPIRES_FIELD) ?? Number.NaN)
  return Math.abs(at) <= LAST_DATE ? { ...cookie, expires: new Date(at).toISOString() } : { ...cookie }
}
