import type { Backend } from '../adapter-contract/bench.ts'
import type { NewManyClient } from '../redis/many-clients.ts'
import type { RedisServer } from '../support/redis-server.ts'

/** A bench on several servers. */
export async function backendOf(
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
