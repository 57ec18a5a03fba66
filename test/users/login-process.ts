import { createClient } from 'redis'
import { redisStore } from '../../src/redis.ts'
import { answer, tellReady } from '../fire/leash.ts'
import { Browser, open } from './support.ts'

// A process that logs visitors in, to be killed while it does.

const { url, prefix } = JSON.parse(process.env.LOGIN ?? '{}')
const client = createClient({ url })
await client.connect()
const sessions = open(redisStore(client, { prefix }))

answer({
  async login(token: string, userId: string): Promise<string | null> {
    const browser = new Browser(sessions, token)
    await browser.request((session) => session.login(userId, { roles: ['admin'] }))
    return browser.token
  },
})
tellReady(null)
