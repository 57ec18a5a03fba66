import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe } from 'node:test'
import { redisStore } from '../../src/redis.ts'
import { expiryContract } from '../core/expiry-contract.ts'
import { sessionsContract } from '../core/sessions-contract.ts'
import { adoptionContract } from '../store-contract/adoption.ts'
import { eventsContract } from '../store-contract/events.ts'
import { tombstoneContract } from '../store-contract/tombstones.ts'
import { writeContract } from '../store-contract/writes.ts'
import { type OpenStore, storeContract } from '../store-contract.ts'
import { assertEveryKeyExpires, type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { type AnyClient, CLIENTS } from './clients.ts'
import { assertConsistent } from './consistency.ts'
import { clientsToTry } from './many-clients.ts'

for (const [name, newClient] of clientsToTry(CLIENTS)) {
  describe(`redisStore on ${name}`, () => {
    let server: RedisServer
    let observer: RedisClient
    let clients: AnyClient[]

    before(async () => {
      server = await startRedis()
      observer = await server.connect()
      clients = await Promise.all(
        [1, 2].map(async () => {
          const client = newClient(server.url)
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
      const [store, second] = clients.map(({ client }) => redisStore(client, { prefix }))
      assert.ok(store && second)
      return { store, second, check: () => assertConsistent(observer, prefix) }
    }

    storeContract(open)
    sessionsContract(open)
    expiryContract(open)
    eventsContract(open)
    adoptionContract(open)
    tombstoneContract(open)
    writeContract(open)
  })
}
