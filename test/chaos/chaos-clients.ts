import { setTimeout as pause } from 'node:timers/promises'
import { MASTER_NAME } from '../support/redis-sentinel.ts'
import type { ChaosApp, ChaosClient } from './apps.ts'

// The clients of an application under chaos, made as the guides say. Only the library that is asked for is loaded.

const RESEND = { autoResendUnfulfilledCommands: false }

/** Makes the client that an application is to have. */
export async function newClient({ where, client, urls, options }: ChaosApp): Promise<ChaosClient> {
  return client === 'node-redis' ? nodeRedis(where, urls, options) : ioredis(where, urls, options)
}

const socket = { reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1000) }

async function nodeRedis(
  where: ChaosApp['where'],
  urls: readonly string[],
  options: object = {},
): Promise<ChaosClient> {
  const redis = await import('redis')
  const all = { socket: { ...socket, ...('socket' in options ? (options.socket as object) : {}) } }
  const factories: Record<ChaosApp['where'], () => unknown> = {
    single: () => redis.createClient({ ...options, ...all, url: urls[0] ?? '' }),
    cluster: () => redis.createCluster({ rootNodes: urls.map((url) => ({ url })), defaults: { ...options, ...all } }),
    sentinel: () =>
      redis.createSentinel({
        name: MASTER_NAME,
        sentinelRootNodes: hosts(urls),
        nodeClientOptions: { ...options, ...all },
      }),
  }
  const made = factories[where]() as NodeRedisClient
  made.on('error', () => undefined)
  await made.connect()
  if ('watchdog' in options && where === 'single') watchOver(made, Number(options.watchdog))
  return { client: made as never, destroy: () => made.destroy() }
}

/** What they have in common, and of a single server `isReady` and `ping`: the types of the library take minutes to compare. */
interface NodeRedisClient {
  readonly isReady: boolean
  on(event: 'error', listener: () => void): unknown
  connect(): Promise<unknown>
  ping(): Promise<unknown>
  destroy(): unknown
}

/** Connects anew when nobody answers for so many ms: node-redis has no option for that. */
function watchOver(client: NodeRedisClient, ms: number): void {
  const look = async () => {
    const answered = client.ping().then(
      () => true,
      () => true,
    )
    if (!client.isReady || (await Promise.race([answered, pause(ms, false)]))) return
    client.destroy()
    await client.connect()
  }
  const again = () =>
    setTimeout(
      () =>
        look()
          .catch(() => undefined)
          .finally(again),
      ms,
    ).unref()
  again()
}

interface IoredisClient {
  on(event: 'error', listener: () => void): unknown
  connect(): Promise<unknown>
  disconnect(): void
}

async function ioredis(where: ChaosApp['where'], urls: readonly string[], options: object = {}): Promise<ChaosClient> {
  const { Cluster, Redis } = await import('ioredis')
  const single = { ...options, ...RESEND, lazyConnect: true }
  const factories: Record<ChaosApp['where'], () => IoredisClient> = {
    single: () => new Redis(urls[0] ?? '', single),
    cluster: () => new Cluster(hosts(urls), { redisOptions: { ...options, ...RESEND }, lazyConnect: true }),
    sentinel: () => new Redis({ ...single, name: MASTER_NAME, sentinels: hosts(urls), failoverDetector: true }),
  }
  const made = factories[where]()
  made.on('error', () => undefined)
  await made.connect()
  return { client: made as never, destroy: () => made.disconnect() }
}

function hosts(urls: readonly string[]): { host: string; port: number }[] {
  return urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }))
}
