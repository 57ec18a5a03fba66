import { createSessions } from 'coatcheck'
import { redisStore } from 'coatcheck/redis'
import { createClient } from 'redis'

const client = createClient({ url: process.env.REDIS_URL })
export const connected = client.connect()
export const sessions = createSessions({ store: redisStore(client), cookie: { secure: false } })
