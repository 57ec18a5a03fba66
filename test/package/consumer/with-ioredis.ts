import { createSessions } from 'coatcheck'
import { type RedisClient, redisStore } from 'coatcheck/redis'
import { Redis as IoRedis } from 'ioredis'
import { Redis as IoValkey } from 'iovalkey'

const options = { autoResendUnfulfilledCommands: false, lazyConnect: true }
const clients: RedisClient[] = [new IoRedis(options), new IoValkey(options)]
for (const client of clients) createSessions({ store: redisStore(client) })

createSessions({ store: redisStore(new IoRedis('redis://localhost:6379', options)) })
createSessions({ store: redisStore(new IoValkey('redis://localhost:6379', options), { prefix: 'shop:' }) })
// @ts-expect-error A cluster is not supported yet.
redisStore(new IoRedis.Cluster(['redis://localhost:6379'], { lazyConnect: true }))
// @ts-expect-error Nor are options.
redisStore(options)
