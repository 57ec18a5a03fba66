/**
 * Keeps sessions in Redis or Valkey.
 *
 * @module coatcheck/redis
 */

export type { RedisClient } from './redis/clients/clients.ts'
export type { IoredisClient } from './redis/clients/ioredis.ts'
export type { IoredisCluster } from './redis/clients/ioredis-cluster.ts'
export type { NodeRedisClient } from './redis/clients/node-redis.ts'
export type { NodeRedisCluster } from './redis/clients/node-redis-cluster.ts'
export type { NodeRedisSentinel } from './redis/clients/node-redis-sentinel.ts'
export { type RedisStoreOptions, redisStore } from './redis/redis-store.ts'
