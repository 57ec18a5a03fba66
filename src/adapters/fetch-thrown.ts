/** Whether what a handler has returned or thrown is a response. Of whichever class: frameworks and servers bring their own. */
export function isResponse(value: unknown): value is Response {
  if (typeof value !== 'object' || value === null) return false
  const { status, headers } = value as { status?: unknown; headers?: { append?: unknown } | null }
  return typeof status === 'number' && typeof headers?.append === 'function' && 'body' in value
}

/**
 * The answer that Next.js makes of what its `redirect()` and `permanentRedirect()` throw; `null` for every other error. Next.js
 * makes another response of the error, without our cookie. It knows the error by its `digest`, and so do we:
 * `NEXT_REDIRECT;replace;/path;307;`. Older versions say whether the redirect is permanent in place of the status.
 */
export function nextRedirect(error: unknown): Response | null {
  const { digest } = (error ?? {}) as { digest?: unknown }
  if (typeof digest !== 'string') return null
  const [, location, code = ''] = /^NEXT_REDIRECT;(?:replace|push);(.*);(30[1-8]|true|false);?$/.exec(digest) ?? []
  if (location === undefined) return null
  const status = { true: 308, false: 307 }[code] ?? Number(code)
  return new Response(null, { status, headers: { Location: location } })
}
