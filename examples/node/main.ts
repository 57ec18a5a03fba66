import { createServer, type RequestListener } from 'node:http'
import { createSessions } from 'coatcheck'
import { nodeSessions, requireUser, sameOrigin } from 'coatcheck/node'
import { redisStore } from 'coatcheck/redis'
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

const routes: Record<string, RequestListener> = {
  'POST /login': async (req, res) => {
    const session = sessions.of(req)
    await session.login('u42') // whoever your password check has found
    session.data.theme = 'dark' // written before the answer leaves
    res.writeHead(204).end()
  },

  'GET /profile': requireUser()(async (req, res) => {
    const session = sessions.of(req)
    const visits = await session.increment('visits') // at once, and atomic
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ user: session.userId, theme: session.data.theme, visits }))
  }),

  'POST /logout': async (req, res) => {
    await sessions.of(req).logout()
    res.writeHead(204).end()
  },
}

const listener: RequestListener = (req, res) => {
  const route = routes[`${req.method} ${req.url}`]
  return route === undefined ? res.writeHead(404).end() : route(req, res)
}
const port = Number(process.env.PORT ?? 3000)
const server = createServer(nodeSessions(sessions)(sameOrigin()(listener)))
server.listen(port, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  server.close(async () => {
    await sessions.close() // what is on its way to Redis, first
    await client.close()
  })
})
