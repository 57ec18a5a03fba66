import type { Server } from 'node:http'
import { createClient } from 'redis'
import { createSessions, type Sessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import type { Data } from './page.ts'

export type RedisClient = ReturnType<typeof createClient>

/** One application over one session library, on a free port. */
export type Application = (client: RedisClient) => Promise<Server>

export const SECRET = 'no secret, thirty-two characters'

/** Longer than a process is ever stopped while others have their turn: its clock goes on, and a deadline would pass meanwhile. */
export const STORE_TIMEOUT = '30s'

/** coatcheck as its README sets it up, but for http and the turns. */
export function sessionsOn(client: RedisClient, touchInterval?: number): Sessions<Data> {
  const store = redisStore(client)
  return createSessions<Data>({
    store,
    cookie: { secure: false },
    storeTimeout: STORE_TIMEOUT,
    ...(touchInterval !== undefined && { touchInterval }),
  })
}

export async function connect(url: string): Promise<RedisClient> {
  const client: RedisClient = createClient({ url })
  await client.connect()
  return client
}
