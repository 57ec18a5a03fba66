/** What a handler gets first: the request, or an object that holds it, as in React Router, Astro and SvelteKit. */
export type RequestSource = Request | { readonly request: Request }

export function requestOf(source: RequestSource): Request {
  return 'request' in source ? source.request : source
}

/** Whether a request came over https, as far as its URL tells. */
export function isHttps({ url }: Request): boolean {
  return new URL(url).protocol === 'https:'
}
