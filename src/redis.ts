/**
 * Keeps sessions in Redis or Valkey.
 *
 * @module coatcheck/redis
 */

export type { NodeRedisClient } from './redis/clients/node-redis.ts'
export { type RedisStoreOptions, redisStore } from './redis/redis-store.ts'
