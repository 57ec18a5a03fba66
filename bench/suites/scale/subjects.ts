import { createClient, createCluster } from 'redis'
import type { SessionRef, SessionStore } from '../../../src/core/store.ts'
import { tags } from '../../../src/core/tags.ts'
import { idOfToken } from '../../../src/core/token.ts'
import { slotOf } from '../../../src/redis/clients/slots.ts'
import { Keys } from '../../../src/redis/keys.ts'
import { redisStore } from '../../../src/redis.ts'
import { type RedisClient, startRedis } from '../../../test/support/redis-server.ts'
import { SLOTS, startMasters } from '../../support/masters.ts'
import { fill, TYPICAL } from '../../support/population.ts'
import { usedMemory } from '../../support/used-memory.ts'

/** One server, or a cluster of so many masters, with sessions in it. */
export interface Subject {
  readonly name: string
  /** A client of each master by itself. */
  readonly masters: readonly RedisClient[]
  /** One for each of the clients that share the load. */
  readonly stores: readonly SessionStore[]
  /** The same without monitoring. */
  readonly unmonitored: readonly SessionStore[]
  readonly sessions: SessionRef[]
  /** Bytes a session, on all masters together. */
  readonly bytes: number
  /** Deletes the indexes that only monitoring needs. @returns bytes a session that are left */
  dropMonitoring(): Promise<number>
  stop(): Promise<void>
}

/** How many clients share the load. */
export const CLIENTS = 64

export async function startSubject(masters: number, sessions: number): Promise<Subject> {
  if (masters === 0) {
    const server = await startRedis()
    return subject(
      'one server',
      [await server.connect()],
      sessions,
      () => createClient({ url: server.url }),
      server.stop,
    )
  }
  const cluster = await startMasters(masters)
  const rootNodes = cluster.urls.map((url) => ({ url }))
  const name = masters === 1 ? 'cluster of 1 master' : `cluster of ${masters} masters`
  return subject(name, cluster.clients, sessions, () => createCluster({ rootNodes }), cluster.stop)
}

type Client = Parameters<typeof redisStore>[0] & { connect(): Promise<unknown>; destroy(): unknown }

async function subject(
  name: string,
  masters: readonly RedisClient[],
  count: number,
  newClient: () => Client,
  stop: () => Promise<void>,
): Promise<Subject> {
  const clients = Array.from({ length: CLIENTS }, newClient)
  const [first, ...others] = clients as [Client, ...Client[]]
  await first.connect()
  const empty = await usedByAll(masters)
  const sessions: SessionRef[] = []
  await fill(first, count, TYPICAL, {}, ({ token, userId }) => sessions.push({ id: idOfToken(token), userId }))
  const bytes = ((await usedByAll(masters)) - empty) / count
  // Only now, or what they need would be in these bytes.
  for (const client of others) await client.connect()
  return {
    name,
    masters,
    stores: clients.map((client) => redisStore(client)),
    unmonitored: clients.map((client) => redisStore(client, { monitoring: false })),
    sessions,
    bytes,
    async dropMonitoring() {
      const before = await usedByAll(masters)
      const keys = new Keys('session:')
      for (const tag of tags) {
        const master = masters[masters.length === 1 ? 0 : Math.floor((slotOf(keys.seen(tag)) * masters.length) / SLOTS)]
        await master?.del([keys.seen(tag), keys.users(tag)])
      }
      return bytes - (before - (await usedByAll(masters))) / count
    },
    async stop() {
      for (const client of clients) client.destroy()
      await stop()
    },
  }
}

async function usedByAll(masters: readonly RedisClient[]): Promise<number> {
  const used = await Promise.all(masters.map(usedMemory))
  return used.reduce((sum, bytes) => sum + bytes, 0)
}
