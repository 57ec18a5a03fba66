import { ConfigError } from '../../core/errors.ts'
import { adviseNodeRedis } from './advice.ts'
import type { RedisConnection } from './connection.ts'
import { type IoredisClient, ioredis, isIoredis } from './ioredis.ts'
import { type IoredisCluster, ioredisCluster, isIoredisCluster } from './ioredis-cluster.ts'
import { isNodeRedis, type NodeRedisClient, nodeRedis } from './node-redis.ts'
import { isNodeRedisCluster, type NodeRedisCluster, nodeRedisCluster } from './node-redis-cluster.ts'
import { isNodeRedisSentinel, type NodeRedisSentinel, nodeRedisSentinel } from './node-redis-sentinel.ts'

/** A client of one server, of a cluster or of what Sentinels watch: node-redis 5 or 6, ioredis 5 or 6, or iovalkey. */
export type RedisClient = NodeRedisClient | NodeRedisCluster | NodeRedisSentinel | IoredisClient | IoredisCluster

/**
 * The only place that tells clients apart.
 * @throws ConfigError for what is no client that is known here, and for one whose options are unsafe
 */
export function connectionOf(client: RedisClient): RedisConnection {
  if (typeof client === 'object' && client !== null) {
    if (isIoredisCluster(client)) return ioredisCluster(client)
    if (isIoredis(client)) return ioredis(client)
    if (isNodeRedisCluster(client)) return nodeRedisCluster(client)
    if (isNodeRedisSentinel(client)) return nodeRedisSentinel(client)
    if (isNodeRedis(client)) {
      adviseNodeRedis(client.options) // guard: advice for node-redis
      return nodeRedis(client)
    }
  }
  throw new ConfigError(
    'redisStore takes a client of one server, of a cluster or of Sentinels: of node-redis 5 or 6, as in redisStore(await ' +
      'createClient().connect()), createCluster(…) or createSentinel(…), of ioredis 5 or 6 or of iovalkey, as in redisStore(new Redis({ ' +
      'autoResendUnfulfilledCommands: false })) or new Cluster([…], { redisOptions: { autoResendUnfulfilledCommands: ' +
      'false } }). A pool or another library is not supported.',
  )
}
