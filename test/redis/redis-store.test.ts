import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe } from 'node:test'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis5'
import { type NodeRedisClient, redisStore } from '../../src/redis.ts'
import { expiryContract } from '../core/expiry-contract.ts'
import { sessionsContract } from '../core/sessions-contract.ts'
import { eventsContract } from '../store-contract/events.ts'
import { type OpenStore, storeContract } from '../store-contract.ts'
import { assertEveryKeyExpires, type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { assertConsistent } from './consistency.ts'

interface Client extends NodeRedisClient {
  connect(): Promise<unknown>
  destroy(): void
  setMaxListeners(most: number): unknown
}

const CLIENTS: Record<string, (url: string) => Client> = {
  'node-redis 6': (url) => createClient({ url }),
  'node-redis 5': (url) => createClient5({ url }),
}

for (const [name, newClient] of Object.entries(CLIENTS)) {
  describe(`redisStore on ${name}`, () => {
    let server: RedisServer
    let observer: RedisClient
    let clients: Client[]

    before(async () => {
      server = await startRedis()
      observer = await server.connect()
      clients = await Promise.all(
        [1, 2].map(async () => {
          const client = newClient(server.url)
          // Every test has a store of its own on it.
          client.setMaxListeners(0)
          await client.connect()
          return client
        }),
      )
    })

    after(async () => {
      assert.ok((await assertEveryKeyExpires(observer)) > 0)
      for (const client of clients) client.destroy()
      await server.stop()
    })

    const open = async (): Promise<OpenStore> => {
      const prefix = `${randomUUID()}:`
      const [store, second] = clients.map((client) => redisStore(client, { prefix }))
      assert.ok(store && second)
      return { store, second, check: () => assertConsistent(observer, prefix) }
    }

    storeContract(open)
    sessionsContract(open)
    expiryContract(open)
    eventsContract(open)
  })
}
