import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { redisStore } from '../../src/redis.ts'
import { expiryContract } from '../core/expiry-contract.ts'
import { sessionsContract } from '../core/sessions-contract.ts'
import { adoptionContract } from '../store-contract/adoption.ts'
import { eventsContract } from '../store-contract/events.ts'
import { tombstoneContract } from '../store-contract/tombstones.ts'
import { writeContract } from '../store-contract/writes.ts'
import { type OpenStore, storeContract } from '../store-contract.ts'
import { inParallel } from '../support/http.ts'
import { assertEveryKeyExpires, type RedisClient } from '../support/redis-server.ts'
import { assertTold, round } from '../users/logout-rounds.ts'
import { distant, open as openUsers } from '../users/support.ts'
import { assertConsistent } from './consistency.ts'
import { clientsToTry, isTriedInFull, type ManyClient, type NewManyClient } from './many-clients.ts'
import { newPrefix } from './support.ts'

/** Servers that are reached together. */
export interface ManyServers {
  readonly where: string
  readonly clients: Record<string, NewManyClient>
  /** What a client is made with. */
  urls(): readonly string[]
  /** A client of each master by itself, to look at what is there. */
  masters(): Promise<readonly RedisClient[]>
  /** Whether each master has sessions of its own. */
  readonly isCluster: boolean
}

/** What every store must do, and all that is built on it, on several servers. */
export function contractsOn(servers: ManyServers): void {
  for (const [name, newClient] of clientsToTry(servers.clients)) {
    describe(`redisStore on ${servers.where}, with ${name}`, () => {
      let clients: ManyClient[]

      before(async () => {
        clients = [1, 2].map(() => newClient(servers.urls()))
        for (const client of clients) await client.connect()
      })

      after(async () => {
        let keys = 0
        for (const client of await servers.masters()) keys += await assertEveryKeyExpires(client)
        assert.ok(keys > 0)
        for (const client of clients) await client.destroy()
      })

      const open = async (): Promise<OpenStore> => {
        const prefix = newPrefix()
        const [store, second] = clients.map(({ client }) => redisStore(client, { prefix }))
        assert.ok(store && second)
        const check = async () => {
          for (const client of await servers.masters()) await assertConsistent(client, prefix)
        }
        return { store, second, manyServers: servers.isCluster, check }
      }

      const { ROUNDS, SIDES } = { ROUNDS: isTriedInFull(name) ? 100 : 20, SIDES: 20 }
      it('leaves no session whose login began before its user was logged out everywhere', async (t) => {
        const prefix = newPrefix()
        // Every side has a store with a clock of its own, and is slow at random.
        const sides = Array.from({ length: SIDES }, (_, i) => {
          const { client } = clients[i % clients.length] as ManyClient
          return openUsers(distant(8, redisStore(client, { prefix })))
        })
        const tally = { refused: 0, ended: 0, alive: 0 }
        await inParallel(ROUNDS, 10, (i) => round(`user ${i}`, sides, 60, tally))
        t.diagnostic(JSON.stringify(tally))
        assertTold(tally, ROUNDS)
        for (const client of await servers.masters()) await assertConsistent(client, prefix)
      })

      sessionsContract(open)
      eventsContract(open)
      if (!isTriedInFull(name)) return
      storeContract(open)
      expiryContract(open)
      adoptionContract(open)
      tombstoneContract(open)
      writeContract(open)
    })
  }
}
