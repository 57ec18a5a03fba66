import { cookieFields, expiryOf } from './cookie-fields.ts'
import { EXPIRES_FIELD, encodeProperties } from './properties.ts'
import type { Plain } from './stored-sessions.ts'

/** A session that connect-redis has written as JSON; `null`: it is none. */
export function sessionOfJson(json: string): Plain | null {
  try {
    const session = JSON.parse(json) as Plain | null
    const { cookie } = session ?? {}
    return typeof cookie === 'object' && cookie !== null ? session : null
  } catch {
    return null
  }
}

/** The fields of a session, every value as it is; `null` if it holds what no field can: more than 500 levels of nesting. */
export function fieldsOf(session: Plain): Map<string, string> | null {
  try {
    return new Map([...encodeProperties(session), ...cookieFields(session.cookie)])
  } catch {
    return null
  }
}

/**
 * A cookie that has expired, of a session that lives: connect-redis's touch moves the end of the session, and leaves in the JSON
 * when the cookie expired before. Saved as it is, such a session would end.
 * @param left milliseconds until it ends
 */
export function mendExpiry(fields: Map<string, string>, session: Plain, left: number): void {
  const at = expiryOf(session.cookie)
  if (at !== null && at <= Date.now()) fields.set(EXPIRES_FIELD, String(Date.now() + left)) // guard: touched expiry
}
