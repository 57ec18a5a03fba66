import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { fastifySessions } from '../../src/fastify.ts'
import type { Adapter, Answer, App } from '../adapter-contract/app.ts'

export const fastifyAdapter: Adapter = {
  name: 'Fastify 5',
  async listener(application: App) {
    const { sessions, otherSessions, mounts, touch, serveAsVisitor, onError, onFailure, handle } = application
    const app = Fastify()
    const options = { onError, ...(touch && { touch }), ...(serveAsVisitor && { serveAsVisitor }) }
    for (let i = 0; i < mounts; i++) app.register(fastifySessions(sessions, options))
    if (otherSessions) app.register(fastifySessions(otherSessions, options))
    app.setErrorHandler((error, _request, reply) => {
      onFailure(error)
      reply.send(error)
    })
    app.route({
      method: ['GET', 'HEAD', 'POST'],
      url: '/*',
      async handler(request, reply) {
        const answer = await handle({
          request,
          get session() {
            return sessions.of(request)
          },
          method: request.method,
          path: pathOf(request),
          header: (name) => request.headers[name.toLowerCase()]?.toString(),
        })
        return send(reply, answer)
      },
    })
    return listenerOf(app)
  },
}

/** What a server of Node calls. */
export async function listenerOf(app: Pick<FastifyInstance, 'ready' | 'routing'>) {
  await app.ready()
  return app.routing
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] as string
}

function send(reply: FastifyReply, { status, headers = {}, json, redirect, body }: Answer): FastifyReply {
  if (status !== undefined) reply.code(status)
  reply.headers(headers)
  if (redirect !== undefined) return reply.redirect(redirect, status ?? 303)
  if (typeof body === 'object') return reply.send(Readable.from(body))
  return reply.send(json ?? body)
}
