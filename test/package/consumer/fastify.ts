import { createSessions } from 'coatcheck'
import {
  fastifySessions,
  type GuardOptions,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from 'coatcheck/fastify'
import { memoryStore } from 'coatcheck/memory'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'

const sessions = createSessions<{ orders: string[] }>({ store: memoryStore() })
const onRefused: GuardOptions['onRefused'] = (refusal, request: FastifyRequest, reply: FastifyReply) =>
  reply.code(refusal.status).send(request.id)
const own = requireThat<{ orders: string[] }, FastifyRequest<{ Params: { id: string } }>>(
  (session, request) => session.data.orders?.includes(request.params.id) === true,
)

for (const app of [Fastify(), Fastify({ logger: true })]) {
  app.addHook('onRequest', sameOrigin())
  const serveAsVisitor = (request: FastifyRequest) => request.routeOptions.url === '/'
  await app.register(fastifySessions(sessions, { touch: ({ url }) => url !== '/poll', serveAsVisitor }))
  app.addHook('preHandler', requireRole('admin', { sessions, onRefused }))
  app.get('/cart', { preHandler: [requireUser()] }, (request) => sessions.of(request).data.orders)
  app.get<{ Params: { id: string } }>('/orders/:id', { preHandler: own }, (request) => request.params.id)
}
const http2 = Fastify({ http2: true })
await http2.register(fastifySessions(sessions))
http2.get('/cart', { preHandler: requireUser() }, (request) => sessions.of(request).data.orders)
