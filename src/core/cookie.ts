import { parseCookie, type SetCookie, stringifySetCookie } from 'cookie'
import { type Duration, durationOption } from './duration.ts'
import { must } from './errors.ts'
import { isObject } from './kinds.ts'
import { isToken, type Token } from './token.ts'

/** The session cookie. It is always HttpOnly, and holds the token alone. */
export interface CookieOptions {
  /** Default `__Host-sid`; `__Secure-sid` with a `domain` or another `path`; `sid` with `secure: false`. */
  name?: string
  /** Default `true`. `false` only for http on a developer's machine. */
  secure?: boolean
  /** Default `'lax'`. `'none'` (embedding in other sites) needs `secure`. */
  sameSite?: 'strict' | 'lax' | 'none'
  /** Default `/`. */
  path?: string
  /** Default none: the cookie goes only to the host that set it. */
  domain?: string
  /** A cookie jar of its own for each embedding site (CHIPS). Default `false`; needs `secure`. */
  partitioned?: boolean
  /** How long the browser keeps the cookie. Default none: until the browser ends. The session's own limits hold all the same. */
  maxAge?: Duration
}

/** Reads and writes the session cookie by fixed rules (RFC 6265bis; ASVS 5.0 section 3.3). */
export class SessionCookie {
  readonly name: string
  readonly secure: boolean
  readonly #attributes: Omit<SetCookie, 'value'>
  readonly #maxAge: number | null

  /** @throws ConfigError for an attribute that is wrong or contradicts another: browsers would drop the cookie silently. */
  constructor(options: CookieOptions = {}) {
    refuse(!isObject(options), 'it must be an object of attributes')
    const { secure = true, sameSite = 'lax', path = '/', domain, partitioned = false } = options
    const plain = domain === undefined && path === '/'
    const name = options.name ?? (secure ? (plain ? '__Host-sid' : '__Secure-sid') : 'sid')
    this.name = name
    this.secure = secure
    this.#maxAge = options.maxAge === undefined ? null : durationOption(options.maxAge, 'cookie.maxAge', 1000)
    this.#attributes = { name, httpOnly: true, secure, sameSite, path, partitioned }
    if (domain !== undefined) this.#attributes.domain = domain

    refuse(typeof name !== 'string', 'name must be a string')
    const isClear = typeof secure === 'boolean' && typeof partitioned === 'boolean'
    refuse(!isClear, 'secure and partitioned must be true or false')
    refuse(typeof path !== 'string' || !path.startsWith('/'), "path must begin with '/'")
    refuse(domain === '', 'domain must not be empty; leave it out')
    const lower = name.toLowerCase()
    refuse(!['strict', 'lax', 'none'].includes(sameSite), "sameSite must be 'strict', 'lax' or 'none'")
    refuse(sameSite === 'none' && !secure, "sameSite: 'none' needs secure: true")
    refuse(partitioned && !secure, 'partitioned needs secure: true')
    refuse(lower.startsWith('__secure-') && !secure, `the name ${name} needs secure: true`)
    refuse(
      lower.startsWith('__host-') && !(secure && plain),
      `the name ${name} needs secure: true, path '/' and no domain; name the cookie otherwise`,
    )
    try {
      this.issue('', null)
    } catch (error) {
      refuse(true, (error as Error).message)
    }
  }

  /**
   * The token that a `Cookie` header carries, or `null` if there is none in its canonical spelling, or if the name comes
   * twice with different values (then one of them was planted, and nobody can tell which).
   */
  read(header: string | undefined): Token | null {
    if (!header?.includes(this.name)) return null
    const value = parseCookie(header, { decode: asIs })[this.name]
    if (!isToken(value)) return null // guard: canonical token
    // The name alone: blanks may stand between it and its '='.
    if (header.indexOf(this.name) !== header.lastIndexOf(this.name)) {
      const another = parseCookie(header, { decode: (text) => (text === value ? undefined : text) })[this.name]
      if (another !== undefined) return null // guard: same name twice
    }
    return value
  }

  /**
   * The `Set-Cookie` header that hands out a token.
   * @param remaining milliseconds to the session's deadline; the browser never keeps the cookie longer
   * @param remember whether the browser keeps it to the deadline, also over its own end
   */
  issue(token: Token, remaining: number | null, remember = false): string {
    const cookie: SetCookie = { ...this.#attributes, value: token }
    const most = remember ? remaining : this.#maxAge
    if (most !== null) cookie.maxAge = Math.ceil(Math.min(most, remaining ?? most) / 1000)
    return stringifySetCookie(cookie)
  }

  /** The `Set-Cookie` header that takes the cookie away. */
  clear(): string {
    return stringifySetCookie({ ...this.#attributes, value: '', maxAge: 0, expires: new Date(0) })
  }
}

// A token is never percent-encoded: decoding would let one token have many spellings.
function asIs(text: string): string {
  return text
}

function refuse(wrong: boolean, why: string): void {
  must(!wrong, `cookie: ${why}.`)
}
