/**
 * Keeps sessions in Redis or Valkey.
 *
 * @module coatcheck/redis
 */

export type { RedisClient } from './redis/clients/clients.ts'
export type { IoredisClient } from './redis/clients/ioredis.ts'
export type { NodeRedisClient } from './redis/clients/node-redis.ts'
export { type RedisStoreOptions, redisStore } from './redis/redis-store.ts'
