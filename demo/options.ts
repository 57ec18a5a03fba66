import { parseArgs } from 'node:util'
import { DemoError } from './demo-error.ts'
import { type RedisAddress, redisAddress } from './redis-address.ts'

/** What the demo was asked to do. */
export interface DemoOptions {
  readonly port: number
  readonly host: string
  readonly instances: number
  readonly secure: boolean
  /** The Redis that was asked for; `null`: the demo finds a store by itself. */
  readonly redis: RedisAddress | null
  /** For an address that carries no password of its own. */
  readonly password: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

export const HELP = `The coatcheck demo: sessions on Redis, live in the browser.

  npm start -- [options]          or          node demo/main.ts [options]

  --port <n>          first port (8080); 0 takes a free one            PORT
  --host <address>    address to listen on (127.0.0.1; 0.0.0.0 is every network)
  --instances <n>     this many servers on consecutive ports, sharing one store (1)
  --redis-url <url>   redis://[user:password@]host:port[/database]     REDIS_URL
  --redis-host <name> host of Redis, if not by URL (localhost)         REDIS_HOST
  --redis-port <n>    port of Redis, if not by URL (6379)              REDIS_PORT
                      password of Redis, if not in the URL             REDIS_PASSWORD
  --secure            a __Host- cookie for https (some browsers take it on http://localhost too)
  --help              this text

Options win over the environment variables on the right.

A Redis that you name must answer. If you name none, the demo takes the one at localhost:6379; if none is there, it
starts a private redis-server or valkey-server, which keeps nothing on disk and ends with the demo; if none is
installed, it keeps the sessions in its own memory.
`

/**
 * Reads the command line and the environment.
 * @returns `null` when help was asked for
 * @throws DemoError
 */
export function readOptions(argv: readonly string[], env: Environment): DemoOptions | null {
  const flags = parse(argv)
  if (flags.help) return null
  const port = number(flags.port, '--port', 0) ?? number(env.PORT, 'PORT', 0) ?? 8080
  const instances = number(flags.instances, '--instances', 1, 64) ?? 1
  if (port + instances - 1 > 65_535) throw new DemoError(`There are no ${instances} ports from ${port} on.`)
  return {
    port,
    host: flags.host || '127.0.0.1',
    instances,
    secure: flags.secure ?? false,
    redis: readRedis(flags, env),
    password: env.REDIS_PASSWORD || undefined,
  }
}

interface Flags {
  readonly port?: string
  readonly host?: string
  readonly instances?: string
  readonly 'redis-url'?: string
  readonly 'redis-host'?: string
  readonly 'redis-port'?: string
  readonly secure?: boolean
  readonly help?: boolean
}

function parse(argv: readonly string[]): Flags {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        instances: { type: 'string' },
        'redis-url': { type: 'string' },
        'redis-host': { type: 'string' },
        'redis-port': { type: 'string' },
        secure: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    return values
  } catch (error) {
    // parseArgs explains at length how to pass what begins with a dash; its first sentence says what is wrong.
    const what = error instanceof Error ? error.message.split(/\. |\n/, 1)[0] : 'The options cannot be read'
    throw new DemoError(`${what}. See npm start -- --help`)
  }
}

/** Flags win as a group: with a host or port on the command line, a REDIS_URL in the environment counts for nothing. */
function readRedis(flags: Flags, env: Environment): RedisAddress | null {
  const url = flags['redis-url']
  const host = flags['redis-host']
  const port = number(flags['redis-port'], '--redis-port', 1)
  if (url !== undefined && (host !== undefined || port !== undefined)) {
    throw new DemoError('Give either --redis-url or --redis-host and --redis-port.')
  }
  if (host === '') throw new DemoError('--redis-host needs a host name.')
  const password = env.REDIS_PASSWORD || undefined
  if (url !== undefined) return redisAddress('--redis-url', { url, password })
  const flagged = host !== undefined || port !== undefined
  if (!flagged && env.REDIS_URL) return redisAddress('REDIS_URL', { url: env.REDIS_URL, password })
  const anyHost = host || env.REDIS_HOST
  const anyPort = port ?? number(env.REDIS_PORT, 'REDIS_PORT', 1)
  if (!anyHost && anyPort === undefined) return null
  const source = host !== undefined ? '--redis-host' : 'REDIS_HOST'
  return redisAddress(source, { host: anyHost || 'localhost', port: anyPort ?? 6379, password })
}

function number(text: string | undefined, name: string, least: number, most = 65_535): number | undefined {
  // An empty environment variable is one that is not set; an empty flag is a mistake.
  if (text === undefined || (text === '' && !name.startsWith('--'))) return undefined
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new DemoError(`${name} must be a whole number from ${least} to ${most}, not '${text}'.`)
}
