import { DemoError } from './demo-error.ts'

/** Where a Redis is. */
export interface RedisAddress {
  /** Complete, with its password: for the client alone, never shown. */
  readonly url: string
  /** As it may be shown. */
  readonly shown: string
}

type Given =
  | { url: string; password?: string | undefined }
  | { host: string; port: number; password?: string | undefined }

/**
 * Checks an address.
 * @param source where it was given, for the error; the address itself may hold a password and is not repeated
 * @throws DemoError
 */
export function redisAddress(source: string, given: Given): RedisAddress {
  const url = parse('url' in given ? given.url : `redis://${bracketed(given.host)}:${given.port}`)
  const valid = url?.hostname && /^rediss?:$/.test(url.protocol) && /^\/?\d*$/.test(url.pathname)
  // A host that smuggles in other parts of a URL is no host.
  if (!valid || ('host' in given && (url.username || url.search || url.hash || url.pathname.length > 1))) {
    const form = 'host' in given ? 'a host name or address' : 'redis://[user:password@]host:port[/database]'
    throw new DemoError(`${source} is not a Redis address. It must be ${form}.`)
  }
  if (!url.password && given.password) url.password = encodeURIComponent(given.password)
  return { url: url.href, shown: shown(url) }
}

function shown(url: URL): string {
  const database = url.pathname.length > 1 ? `, database ${url.pathname.slice(1)}` : ''
  const tls = url.protocol === 'rediss:' ? ', by TLS' : ''
  return `${url.hostname}:${url.port || 6379}${database}${tls}`
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function parse(text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}
