import { createSessions } from 'coatcheck'
import { redisStore } from 'coatcheck/redis'
import { Redis } from 'ioredis'

// The other client: ioredis.
const client = new Redis(process.env.REDIS_URL, { autoResendUnfulfilledCommands: false })
const sessions = createSessions({ store: redisStore(client) })
const { token } = await sessions.create({ views: 1 })
console.log('views', await sessions.increment(token, 'views'))
await sessions.close()
client.disconnect()
