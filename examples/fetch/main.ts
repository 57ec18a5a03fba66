import { serve } from '@hono/node-server'
import { createSessions } from 'coatcheck'
import { fetchSessions, requireUser, sameOrigin } from 'coatcheck/fetch'
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
const withSession = fetchSessions(sessions)

const login = async (request: Request) => {
  const session = sessions.of(request)
  await session.login('u42') // whoever your password check has found
  session.data.theme = 'dark' // written before the answer leaves
  return new Response(null, { status: 204 })
}

const profile = requireUser()(async (request: Request) => {
  const session = sessions.of(request)
  const visits = await session.increment('visits') // at once, and atomic
  return Response.json({ user: session.userId, theme: session.data.theme, visits })
})

const logout = async (request: Request) => {
  await sessions.of(request).logout()
  return new Response(null, { status: 204 })
}

// What a framework does for you, by the names of files or by a table of routes.
const routes: Record<string, (request: Request) => Promise<Response>> = {
  'POST /login': sameOrigin()(withSession(login)),
  'GET /profile': withSession(profile),
  'POST /logout': sameOrigin()(withSession(logout)),
}

async function handle(request: Request): Promise<Response> {
  const route = routes[`${request.method} ${new URL(request.url).pathname}`]
  return route === undefined ? new Response('Not found', { status: 404 }) : route(request)
}

const port = Number(process.env.PORT ?? 3000)
const server = serve({ fetch: handle, port }, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  server.close(async () => {
    await sessions.close() // what is on its way to Redis, first
    await client.close()
  })
})
