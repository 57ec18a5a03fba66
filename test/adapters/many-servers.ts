import type { Backend } from '../adapter-contract/bench.ts'
import { racesContract } from '../adapter-contract/races.ts'
import { useBench } from '../adapter-contract.ts'
import { clientsToTry, type NewManyClient } from '../redis/many-clients.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { adaptersToTry } from './every.ts'

/** Where an application finds several servers. */
interface ManyServers {
  /** Those that have sessions. */
  readonly servers: readonly RedisServer[]
  /** What a client is made with. */
  readonly urls: readonly string[]
  stop(): Promise<void>
}

/** The races of the first adapter with each client, and of each adapter with the first client. */
export function racesOn(
  where: string,
  clients: Record<string, NewManyClient>,
  start: () => Promise<ManyServers>,
): void {
  for (const [i, [name, newClient]] of clientsToTry(clients, 'one').entries()) {
    const bench = useBench(async () => {
      const { servers, urls, stop } = await start()
      return backendOf(servers, stop, newClient, urls)
    })
    const adapters = i === 0 ? adaptersToTry() : adaptersToTry().slice(0, 1)
    for (const adapter of adapters)
      racesContract({ ...adapter, name: `${adapter.name} with ${where} and ${name}` }, bench)
  }
}

/** A bench on several servers. */
async function backendOf(
  servers: readonly RedisServer[],
  stop: () => Promise<void>,
  newClient: NewManyClient,
  urls: readonly string[],
): Promise<Backend> {
  const made = newClient(urls)
  await made.connect()
  const masters = await Promise.all(servers.map((server) => server.connect()))
  const [first] = servers as [RedisServer]
  const redis: RedisServer = {
    ...first,
    async dump() {
      return Object.assign({}, ...(await Promise.all(servers.map((server) => server.dump()))))
    },
    async stop() {
      await made.destroy()
      await stop()
    },
  }
  // What races ask of it is what every client of the library has.
  return { redis, client: made.client as Backend['client'], observer: masters[0] as Backend['observer'], masters }
}
