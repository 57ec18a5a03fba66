import { ConfigError } from '../../core/errors.ts'
import type { RedisConnection } from './connection.ts'
import { type IoredisClient, ioredis, isIoredis } from './ioredis.ts'
import { isNodeRedis, type NodeRedisClient, nodeRedis } from './node-redis.ts'

/** A client of one server: node-redis 5 or 6, ioredis 5 or 6, or iovalkey. */
export type RedisClient = NodeRedisClient | IoredisClient

/**
 * The only place that tells clients apart.
 * @throws ConfigError for what is no client of a single server, and for one whose options are unsafe
 */
export function connectionOf(client: RedisClient): RedisConnection {
  if (typeof client === 'object' && client !== null) {
    if (isIoredis(client)) return ioredis(client)
    if (isNodeRedis(client)) return nodeRedis(client)
  }
  throw new ConfigError(
    'redisStore takes a client of one server: of node-redis 5 or 6, as in redisStore(await createClient().connect()), of ' +
      'ioredis 5 or 6 or of iovalkey, as in redisStore(new Redis({ autoResendUnfulfilledCommands: false })). ' +
      'A cluster, a sentinel of node-redis or another library is not supported yet.',
  )
}
