import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { honoSessions } from '../../src/hono.ts'
import type { Adapter, Answer, App, Ask } from '../adapter-contract/app.ts'
import { webStream } from '../support/web-stream.ts'

export const honoAdapter: Adapter = {
  name: 'Hono 4',
  listener({ sessions, otherSessions, mounts, touch, serveAsVisitor, onError, onFailure, handle }: App) {
    const app = new Hono()
    const asked = (ask: Ask) => (c: Context) => ask({ url: c.req.path })
    const options = {
      onError,
      ...(touch && { touch: asked(touch) }),
      ...(serveAsVisitor && { serveAsVisitor: asked(serveAsVisitor) }),
    }
    for (let i = 0; i < mounts; i++) app.use(honoSessions(sessions, options))
    if (otherSessions) app.use(honoSessions(otherSessions, { ...options, variable: 'other' }))
    app.all('*', async (c) =>
      send(
        c,
        await handle({
          request: c,
          get session() {
            return sessions.of(c)
          },
          method: c.req.method,
          path: new URL(c.req.url).pathname,
          header: (name) => c.req.header(name),
        }),
      ),
    )
    // Hono's own knows what says how it is answered, as everything of coatcheck's does; a `status` it leaves to applications.
    app.onError((error, c) => {
      onFailure(error)
      if ('getResponse' in error) return (error as { getResponse(): Response }).getResponse()
      return c.text('Internal Server Error', (error as { status?: 404 }).status ?? 500)
    })
    return getRequestListener(app.fetch)
  },
}

function send(c: Context, { status, headers = {}, json, redirect, body }: Answer): Response {
  const head = new Headers()
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) head.append(name, each)
  if (redirect !== undefined) return c.redirect(redirect, (status ?? 303) as 303)
  if (json !== undefined) head.set('content-type', 'application/json')
  const stream = typeof body === 'object' ? webStream(body) : undefined
  const content = json === undefined ? (stream ?? (body as string | undefined)) : JSON.stringify(json)
  return new Response(content ?? null, { status: status ?? 200, headers: head })
}
