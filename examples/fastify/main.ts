import { createSessions } from 'coatcheck'
import { fastifySessions, requireUser, sameOrigin } from 'coatcheck/fastify'
import { redisStore } from 'coatcheck/redis'
import Fastify from 'fastify'
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
const app = Fastify()

app.addHook('onRequest', sameOrigin())
await app.register(fastifySessions(sessions))

app.post('/login', async (request, reply) => {
  const session = sessions.of(request)
  await session.login('u42') // whoever your password check has found
  session.data.theme = 'dark' // written before the answer leaves
  return reply.code(204).send()
})

app.get('/profile', { preHandler: requireUser() }, async (request) => {
  const session = sessions.of(request)
  const visits = await session.increment('visits') // at once, and atomic
  return { user: session.userId, theme: session.data.theme, visits }
})

app.post('/logout', async (request, reply) => {
  await sessions.of(request).logout()
  return reply.code(204).send()
})

const port = Number(process.env.PORT ?? 3000)
await app.listen({ port })
console.log(`Listening on http://localhost:${port}`)

process.once('SIGTERM', async () => {
  await app.close()
  await sessions.close() // what is on its way to Redis, first
  await client.close()
})
