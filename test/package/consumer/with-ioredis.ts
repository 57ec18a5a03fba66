import { createSessions } from 'coatcheck'
import { type RedisClient, redisStore } from 'coatcheck/redis'
import { Redis as IoRedis } from 'ioredis'
import { Redis as IoValkey } from 'iovalkey'

const options = { autoResendUnfulfilledCommands: false, lazyConnect: true }
const clients: RedisClient[] = [new IoRedis(options), new IoValkey(options)]
for (const client of clients) createSessions({ store: redisStore(client) })

createSessions({ store: redisStore(new IoRedis('redis://localhost:6379', options)) })
createSessions({ store: redisStore(new IoValkey('redis://localhost:6379', options), { prefix: 'shop:' }) })
redisStore(new IoRedis.Cluster(['redis://localhost:6379'], { lazyConnect: true, redisOptions: options }))
redisStore(new IoValkey.Cluster(['redis://localhost:6379'], { lazyConnect: true, redisOptions: options }))
// @ts-expect-error Options are no client.
redisStore(options)
