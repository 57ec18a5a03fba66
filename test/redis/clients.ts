import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { Redis as Iovalkey } from 'iovalkey'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis5'
import type { RedisClient } from '../../src/redis.ts'

/** A client of any library, as tests need it. */
export interface AnyClient {
  /** For `redisStore`. */
  readonly client: RedisClient
  connect(): Promise<unknown>
  readonly isReady: boolean
  /** Answered behind all that the client still has to send. */
  ping(): Promise<unknown>
  /** Closes the connection in good order. */
  quit(): Promise<unknown>
  destroy(): void
}

type Made = ReturnType<typeof createClient> | ReturnType<typeof createClient5>

/** As an application has them, save that they lose no time before they connect again. */
const socketOf = (url: string): object => ({
  reconnectStrategy: () => 20,
  ...(url.startsWith('rediss:') && { tls: true }),
})

function nodeRedis(made: Made): AnyClient {
  // Every test has a store of its own on it.
  made.setMaxListeners(0)
  return {
    client: made,
    connect: () => made.connect(),
    get isReady() {
      return made.isReady
    },
    ping: () => made.ping(),
    quit: () => made.close(),
    destroy: () => made.destroy(),
  }
}

type MadeRedis = Redis | Redis5 | Iovalkey

/** What they have to be told, and what tests want of them. */
const OPTIONS = { autoResendUnfulfilledCommands: false, lazyConnect: true, retryStrategy: () => 20 }

function ioredis(made: MadeRedis): AnyClient {
  made.setMaxListeners(0)
  return {
    client: made,
    connect: () => made.connect(),
    get isReady() {
      return made.status === 'ready'
    },
    ping: () =>
      new Promise((resolve, reject) => {
        // A command that the connection takes with it is never settled.
        made.once('close', () => reject(new Error('lost')))
        made.ping().then(resolve, reject)
      }),
    quit: () => made.quit(),
    destroy: () => made.disconnect(),
  }
}

/** Every client library that `redisStore` takes. */
export const CLIENTS: Record<string, (url: string) => AnyClient> = {
  'node-redis 6': (url) => nodeRedis(createClient({ url, socket: socketOf(url) })),
  'node-redis 5': (url) => nodeRedis(createClient5({ url, socket: socketOf(url) })),
  'ioredis 6': (url) => ioredis(new Redis(url, OPTIONS)),
  'ioredis 6, RESP2': (url) => ioredis(new Redis(url, { ...OPTIONS, protocol: 2 })),
  'ioredis 5': (url) => ioredis(new Redis5(url, OPTIONS)),
  iovalkey: (url) => ioredis(new Iovalkey(url, OPTIONS)),
}
