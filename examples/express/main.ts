import { createSessions } from 'coatcheck'
import { expressSessions, requireUser, sameOrigin } from 'coatcheck/express'
import { redisStore } from 'coatcheck/redis'
import express from 'express'
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
const app = express()

app.use(sameOrigin(), expressSessions(sessions))

app.post('/login', async (req, res) => {
  const session = sessions.of(req)
  await session.login('u42') // whoever your password check has found
  session.data.theme = 'dark' // written before the answer leaves
  res.status(204).end()
})

app.get('/profile', requireUser(), async (req, res) => {
  const session = sessions.of(req)
  const visits = await session.increment('visits') // at once, and atomic
  res.json({ user: session.userId, theme: session.data.theme, visits })
})

app.post('/logout', async (req, res) => {
  await sessions.of(req).logout()
  res.status(204).end()
})

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  server.close(async () => {
    await sessions.close() // what is on its way to Redis, first
    await client.close()
  })
})
