import type { Server } from 'node:http'
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { RedisStore } from 'connect-redis'
import Fastify, { type FastifyInstance } from 'fastify'
import { fastifySessions } from '../../src/fastify.ts'
import { type Application, type RedisClient, SECRET, sessionsOn } from './application.ts'
import { beginHash, type Hash, hashOf, pageOfHash, writeHash } from './floor.ts'
import { type Data, FIRST_DATA, nextCookie, nextItem, nextLogin, OK, pageOf } from './page.ts'

export const none: Application = () => withoutSessions(Fastify())

/** What Fastify itself takes for a hook. */
export const empty: Application = () => withoutSessions(Fastify().addHook('onRequest', async () => undefined))

/** As that of Express. */
function withoutSessions(app: FastifyInstance): Promise<Server> {
  app.get('/page', async () => pageOf({}))
  app.post('/login', async (_request, reply) => {
    reply.header('Set-Cookie', nextCookie())
    return OK
  })
  for (const path of ['/write', '/logout']) app.post(path, async () => OK)
  return listening(app)
}

/** As that of Express. */
export const floor: Application = async (client) => {
  const app = Fastify()
  app.decorateRequest('hash')
  app.addHook('onRequest', async (request) => {
    Object.assign(request, { hash: await hashOf(client, request.headers.cookie) })
  })
  app.get('/page', async (request) => pageOfHash((request as { hash?: Hash }).hash))
  app.post('/write', async (request) => {
    await writeHash(client, request.headers.cookie, nextItem())
    return OK
  })
  app.post('/login', async (_request, reply) => {
    reply.header('Set-Cookie', `sid=${await beginHash(client)}; Path=/; HttpOnly`)
    return OK
  })
  return listening(app)
}

export const coatcheck: Application = async (client) => {
  const sessions = sessionsOn(client)
  const app = Fastify()
  await app.register(fastifySessions(sessions))
  app.get('/page', async (request) => pageOf(sessions.of(request).data))
  app.post('/write', async (request) => {
    sessions.of(request).data.lastItem = nextItem()
    return OK
  })
  app.post('/login', async (request) => {
    const own = sessions.of(request)
    const { userId, ...options } = nextLogin()
    Object.assign(own.data, FIRST_DATA)
    await own.login(userId, options)
    return OK
  })
  app.post('/logout', async (request) => {
    await sessions.of(request).logout()
    return OK
  })
  return listening(app)
}

/** With its default, which writes the session and sends its cookie with every answer. */
export const rolling: Application = (client) => peer(client, true)

export const notRolling: Application = (client) => peer(client, false)

async function peer(client: RedisClient, rolling: boolean): Promise<Server> {
  const app = Fastify()
  await app.register(fastifyCookie)
  await app.register(fastifySession, {
    store: new RedisStore({ client }),
    secret: SECRET,
    saveUninitialized: false,
    rolling,
    cookie: { secure: false },
  })
  const dataOf = (request: { session: object }) => request.session as Partial<Data>
  app.get('/page', async (request) => pageOf(dataOf(request)))
  app.post('/write', async (request) => {
    dataOf(request).lastItem = nextItem()
    return OK
  })
  app.post('/login', async (request) => {
    await request.session.regenerate()
    Object.assign(request.session, FIRST_DATA, nextLogin())
    return OK
  })
  app.post('/logout', async (request) => {
    await request.session.destroy()
    return OK
  })
  return listening(app)
}

async function listening(app: FastifyInstance): Promise<Server> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}
