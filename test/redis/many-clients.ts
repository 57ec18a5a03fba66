import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5'
import { Redis as Iovalkey, Cluster as IovalkeyCluster } from 'iovalkey'
import * as redis6 from 'redis'
import * as redis5 from 'redis5'
import type { RedisClient } from '../../src/redis.ts'
import { MASTER_NAME } from '../support/redis-sentinel.ts'

/** A client of several servers, of any library, as tests need it. */
export interface ManyClient {
  /** For `redisStore`. */
  readonly client: RedisClient
  connect(): Promise<unknown>
  destroy(): unknown
}

/** Makes a client, with the addresses of some of the servers. */
export type NewManyClient = (urls: readonly string[], options?: object) => ManyClient

/** As an application has them, save that they lose no time before they connect again. */
const socket = { reconnectStrategy: () => 20 }

type MadeNodeRedis = RedisClient & {
  setMaxListeners(n: number): unknown
  connect(): Promise<unknown>
  destroy(): unknown
}

/** The clients' own types, of two majors side by side, take the compiler a minute and gigabytes. */
interface NodeRedisLibrary {
  createCluster(options: object): MadeNodeRedis
  createSentinel(options: object): MadeNodeRedis
}

const nodeRedis6: NodeRedisLibrary = redis6 as object as NodeRedisLibrary
const nodeRedis5: NodeRedisLibrary = redis5 as object as NodeRedisLibrary

function nodeRedis(made: MadeNodeRedis): ManyClient {
  // Every test has a store of its own on it.
  made.setMaxListeners(0)
  return { client: made, connect: () => made.connect(), destroy: () => made.destroy() }
}

type MadeIoredis = Cluster | Cluster5 | IovalkeyCluster | Redis | Redis5 | Iovalkey

function ioredis(made: MadeIoredis): ManyClient {
  made.setMaxListeners(0)
  return { client: made, connect: () => made.connect(), destroy: () => made.disconnect() }
}

const OPTIONS = {
  lazyConnect: true,
  clusterRetryStrategy: () => 20,
  redisOptions: { autoResendUnfulfilledCommands: false },
}

const hosts = (urls: readonly string[]) =>
  urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }))

/**
 * Those of these clients that this run is about.
 * @param short how many the short form is about: one, or one of each library
 */
export function clientsToTry<T>(clients: Record<string, T>, short: 'one' | 'two' = 'two'): [name: string, client: T][] {
  // CONTRACT_CLIENT: this client only, for runs that ask about the store and not about clients. EVERY_CLIENT: the long form.
  const { CONTRACT_CLIENT: one, EVERY_CLIENT: every } = process.env
  return Object.entries(clients).filter(([name]) =>
    one ? name === one : every || (short === 'one' ? name === FIRST : LATEST.has(name)),
  )
}

/** Whether one of them runs all tests, and not only those that ask most of a client. */
export function isTriedInFull(name: string): boolean {
  return name === FIRST || process.env.EVERY_CLIENT !== undefined
}

const FIRST = 'node-redis 6'
const LATEST = new Set([FIRST, 'ioredis 6'])

/** Every client of a cluster that `redisStore` takes. */
export const CLUSTER_CLIENTS: Record<string, NewManyClient> = {
  'node-redis 6': (urls, options) =>
    nodeRedis(nodeRedis6.createCluster({ rootNodes: urls.map((url) => ({ url })), defaults: { socket }, ...options })),
  'node-redis 5': (urls, options) =>
    nodeRedis(nodeRedis5.createCluster({ rootNodes: urls.map((url) => ({ url })), defaults: { socket }, ...options })),
  'ioredis 6': (urls, options) => ioredis(new Cluster(hosts(urls), { ...OPTIONS, ...options })),
  'ioredis 5': (urls, options) => ioredis(new Cluster5(hosts(urls), { ...OPTIONS, ...options })),
  iovalkey: (urls, options) => ioredis(new IovalkeyCluster(hosts(urls), { ...OPTIONS, ...options })),
}

const ofSentinels = (urls: readonly string[]) => ({
  name: MASTER_NAME,
  sentinelRootNodes: hosts(urls),
  nodeClientOptions: { socket },
})

const BY_SENTINELS = {
  name: MASTER_NAME,
  failoverDetector: true,
  autoResendUnfulfilledCommands: false,
  lazyConnect: true,
  retryStrategy: () => 20,
  sentinelRetryStrategy: () => 20,
}

/** Every client that asks Sentinels, made with the addresses of some of them. */
export const SENTINEL_CLIENTS: Record<string, NewManyClient> = {
  'node-redis 6': (urls, options) => nodeRedis(nodeRedis6.createSentinel({ ...ofSentinels(urls), ...options })),
  'node-redis 5': (urls, options) => nodeRedis(nodeRedis5.createSentinel({ ...ofSentinels(urls), ...options })),
  'ioredis 6': (urls, options) => ioredis(new Redis({ ...BY_SENTINELS, sentinels: hosts(urls), ...options })),
  'ioredis 5': (urls, options) => ioredis(new Redis5({ ...BY_SENTINELS, sentinels: hosts(urls), ...options })),
  iovalkey: (urls, options) => ioredis(new Iovalkey({ ...BY_SENTINELS, sentinels: hosts(urls), ...options })),
}
