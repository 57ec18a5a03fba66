import type { Server } from 'node:http'
import { createClient } from 'redis'
import { createSessions, type Sessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import type { Data } from './page.ts'

export type RedisClient = ReturnType<typeof createClient>

/** One application over one session library, on a free port. */
export type Application = (client: RedisClient) => Promise<Server>

export const SECRET = 'no secret, thirty-two characters'

/** coatcheck as its README sets it up, but for http. */
export function sessionsOn(client: RedisClient, touchInterval?: number): Sessions<Data> {
  const store = redisStore(client)
  return createSessions<Data>({
    store,
    cookie: { secure: false },
    ...(touchInterval !== undefined && { touchInterval }),
  })
}

export async function connect(url: string): Promise<RedisClient> {
  const client: RedisClient = createClient({ url })
  await client.connect()
  return client
}
