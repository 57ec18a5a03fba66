import type { SessionRef, SessionStore } from '../../../src/core/store.ts'
import { idOfToken } from '../../../src/core/token.ts'
import { redisStore } from '../../../src/redis.ts'
import { type RedisClient, startRedis } from '../../../test/support/redis-server.ts'
import { fill, TYPICAL } from '../../support/population.ts'

/** A server with so many sessions. */
export interface Filled {
  readonly size: number
  readonly client: RedisClient
  readonly store: SessionStore
  /** Every session there is. */
  readonly sessions: SessionRef[]
  stop(): Promise<void>
}

/** Servers filled to different sizes, one after the other. */
export async function startFilled(sizes: readonly number[], say: (line: string) => void): Promise<Filled[]> {
  const servers: Filled[] = []
  for (const size of sizes) {
    const server = await startRedis()
    const client = await server.connect()
    const sessions: SessionRef[] = []
    await fill(client, size, TYPICAL, {}, ({ token, userId }) => sessions.push({ id: idOfToken(token), userId }))
    servers.push({ size, client, store: redisStore(client), sessions, stop: () => server.stop() })
    say(`${size} sessions are there`)
  }
  return servers
}
