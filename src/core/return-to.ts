/** What a browser would make of a path is asked of the same parser, against a host that nobody has. */
export const NOWHERE = 'http://nowhere.invalid'

/** Longer ones come from no link, and would not fit into the headers that carry them. */
const LONGEST = 2048

/**
 * Where to go after the login, from a value that anybody may have written into the URL of the login page. Only a path on
 * this origin is taken: an attacker's link must not lead from your login to their copy of it (an open redirect).
 *
 * @param value as in `req.query['return-to']`
 * @param fallback in place of everything else. Default `/`
 * @returns a path with its query and fragment, spelled so that it can stand in a `Location` header
 * @example res.redirect(303, safeReturnTo(req.query['return-to'], '/home'))
 */
export function safeReturnTo(value: unknown, fallback = '/'): string {
  if (typeof value !== 'string' || value.length > LONGEST) return fallback // guard: return to a string
  // '//evil.example' and '/\evil.example' are other hosts; browsers drop tabs and newlines before they look.
  if (!/^\/(?![/\\])[^\p{Cc}]*$/u.test(value)) return fallback // guard: return to a path
  const { origin, pathname, search, hash } = new URL(value, NOWHERE)
  // '/.//evil.example' becomes '//evil.example' when its dots are resolved.
  if (origin !== NOWHERE || pathname.startsWith('//')) return fallback // guard: return to a resolved path
  return pathname + search + hash
}
