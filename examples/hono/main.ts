import { serve } from '@hono/node-server'
import { createSessions } from 'coatcheck'
import { honoSessions, requireUser, sameOrigin } from 'coatcheck/hono'
import { redisStore } from 'coatcheck/redis'
import { Hono } from 'hono'
import { createClient } from 'redis'

interface Data {
  theme: string
  visits: number
}

const client = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' }).connect()
const sessions = createSessions<Data>({
  store: redisStore(client),
  idleTimeout: '30m',
  lifetime: '12h',
  cookie: { secure: process.env.NODE_ENV !== 'development' },
})
const app = new Hono()

app.use(sameOrigin(), honoSessions(sessions))

app.post('/login', async (c) => {
  const session = sessions.of(c)
  await session.login('u42') // whoever your password check has found
  session.data.theme = 'dark' // written before the answer leaves
  return c.body(null, 204)
})

app.get('/profile', requireUser(), async (c) => {
  const session = sessions.of(c)
  const visits = await session.increment('visits') // at once, and atomic
  return c.json({ user: session.userId, theme: session.data.theme, visits })
})

app.post('/logout', async (c) => {
  await sessions.of(c).logout()
  return c.body(null, 204)
})

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: app.fetch, port }, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  server.close(async () => {
    await sessions.close() // what is on its way to Redis, first
    await client.close()
  })
})
