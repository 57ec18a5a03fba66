import { getRequestListener } from '@hono/node-server'
import { fetchSessions } from '../../src/fetch.ts'
import type { Adapter, Answer, App, Ask } from '../adapter-contract/app.ts'
import { webStream } from '../support/web-stream.ts'

type Handler = (request: Request) => Promise<Response>

/** A handler that a server of Node serves, with the little that a framework does around it. */
export const fetchAdapter: Adapter = {
  name: 'fetch',
  listener({ sessions, otherSessions, mounts, touch, serveAsVisitor, onError, onFailure, handle }: App) {
    const asked = (ask: Ask) => (request: Request) => ask({ url: pathOf(request) })
    const options = {
      onError,
      ...(touch && { touch: asked(touch) }),
      ...(serveAsVisitor && { serveAsVisitor: asked(serveAsVisitor) }),
    }
    let handler: Handler = async (request) =>
      send(
        await handle({
          request,
          get session() {
            return sessions.of(request)
          },
          method: request.method,
          path: pathOf(request),
          header: (name) => request.headers.get(name) ?? undefined,
        }),
      )
    if (otherSessions) handler = fetchSessions(otherSessions, options)(handler)
    for (let i = 0; i < mounts; i++) handler = fetchSessions(sessions, options)(handler)
    return getRequestListener(async (request) => {
      try {
        return await handler(request)
      } catch (error) {
        onFailure(error)
        return new Response('Internal Server Error', { status: (error as { status?: number }).status ?? 500 })
      }
    })
  },
}

function pathOf(request: Request): string {
  return new URL(request.url).pathname
}

function send({ status = 200, headers = {}, json, redirect, body }: Answer): Response {
  const head = new Headers()
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) head.append(name, each)
  if (redirect !== undefined) {
    head.set('location', redirect)
    return new Response(null, { status: 303, headers: head })
  }
  if (json !== undefined) head.set('content-type', 'application/json')
  const stream = typeof body === 'object' ? webStream(body) : undefined
  const content = json === undefined ? (stream ?? (body as string | undefined)) : JSON.stringify(json)
  return new Response(content ?? null, { status, headers: head })
}
