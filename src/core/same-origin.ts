import { must } from './errors.ts'
import type { Decision, Refusal } from './guards.ts'

/** Which requests of other origins are welcome. */
export interface SameOriginOptions {
  /**
   * Other origins whose pages may send requests that change something, as in `['https://app.example']`: scheme, host and, if
   * it is not the usual one, port. Also the application's own origin where a proxy hides it. Default none.
   */
  origins?: readonly string[]
}

/** What a request says of where it comes from and goes to. */
export interface RequestOrigin {
  readonly method: string | undefined
  readonly secFetchSite: string | undefined
  readonly origin: string | undefined
  /** The origin that the request was sent to, `https://app.example`, as far as the framework can tell. */
  readonly own: string
}

const CROSS_SITE: Refusal = { status: 403, code: 'ERR_CROSS_SITE', error: 'Cross-site request refused' }

/** They change nothing, in an application that keeps to HTTP (RFC 9110, 9.2.1). */
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses requests that change something and that another site has made the browser send (CSRF), by what browsers say of
 * themselves and no page can forge. As in the OWASP CSRF Prevention Cheat Sheet and W3C Fetch Metadata:
 *
 * 1. GET, HEAD and OPTIONS pass.
 * 2. An origin in `origins` passes.
 * 3. `Sec-Fetch-Site`, which browsers send over https and to localhost: `same-origin` and `none` (the user's own doing) pass,
 *    everything else does not. That includes `same-site`: a sibling such as `blog.example.org` next to `app.example.org`
 *    gets the cookie whatever its `SameSite` attribute says, so it is what this guard is there for. List it if you trust it.
 * 4. Without it, `Origin` must be the request's own. `null` (a sandboxed frame, a redirect across sites, a page with
 *    `Referrer-Policy: no-referrer`) is nobody's.
 * 5. With neither header it is no browser, for every browser sends `Origin` with such a request; and only a browser can be made
 *    to add a cookie that the attacker does not have.
 *
 * @throws ConfigError for an entry of `origins` that is none
 */
export function sameOrigin({ origins = [] }: SameOriginOptions = {}): (request: RequestOrigin) => Decision {
  must(Array.isArray(origins), "origins must be an array, as in ['https://app.example'].")
  for (const origin of origins) {
    must(
      typeof origin === 'string' && originOf(origin) === origin,
      `origins: '${origin}' is no origin. Write scheme and host alone, as in 'https://app.example'.`,
    )
  }
  const listed: ReadonlySet<string | undefined> = new Set(origins)
  return ({ method, secFetchSite, origin, own }) => {
    if (SAFE_METHODS.has(method) || listed.has(origin)) return 'allow'
    if (secFetchSite === 'same-origin' || secFetchSite === 'none') return 'allow'
    if (secFetchSite !== undefined) return CROSS_SITE // guard: fetch metadata
    if (origin === undefined) return 'allow'
    if (origin === 'null') return CROSS_SITE // guard: origin null
    return origin === originOf(own) ? 'allow' : CROSS_SITE
  }
}

/** Browsers spell an origin in one way, and compare it by that. */
function originOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null
}
