import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { CLIENTS } from './clients.ts'

// Uses a store, listens to other processes, and closes everything: then nothing may keep it alive.

const { CLIENT = '', REDIS_URL = '' } = process.env
const client = CLIENTS[CLIENT]?.(REDIS_URL)
if (client === undefined) throw new Error(`no client ${CLIENT}`)
await client.connect()
const sessions = createSessions<{ views: number }>({ store: redisStore(client.client) })
sessions.on('created', () => undefined)
const { token } = await sessions.create()
await sessions.increment(token, 'views')
await sessions.close()
await client.quit()
console.log('done')
