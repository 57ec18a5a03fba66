import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { redisStore } from '../../src/redis.ts'
import { expiryContract } from '../core/expiry-contract.ts'
import { sessionsContract } from '../core/sessions-contract.ts'
import { eventsContract } from '../store-contract/events.ts'
import { type OpenStore, storeContract } from '../store-contract.ts'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { CLUSTER_CLIENTS, clientsToTry, type ManyClient } from './cluster-clients.ts'
import { assertConsistent } from './consistency.ts'
import { newPrefix } from './support.ts'

let cluster: RedisCluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster.stop())

for (const [name, newClient] of clientsToTry(CLUSTER_CLIENTS)) {
  describe(`redisStore on a cluster, with ${name}`, () => {
    let clients: ManyClient[]

    before(async () => {
      const urls = cluster.nodes.map(({ server }) => server.url)
      clients = [1, 2].map(() => newClient(urls))
      for (const client of clients) await client.connect()
    })

    after(async () => {
      let keys = 0
      for (const { client } of await cluster.masters()) keys += await assertEveryKeyExpires(client)
      assert.ok(keys > 0)
      for (const client of clients) client.destroy()
    })

    const open = async (): Promise<OpenStore> => {
      const prefix = newPrefix()
      const [store, second] = clients.map(({ client }) => redisStore(client, { prefix }))
      assert.ok(store && second)
      const check = async () => {
        for (const { client } of await cluster.masters()) await assertConsistent(client, prefix)
      }
      return { store, second, manyServers: true, check }
    }

    storeContract(open)
    sessionsContract(open)
    expiryContract(open)
    eventsContract(open)
  })
}
