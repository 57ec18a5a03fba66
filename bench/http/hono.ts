import { once } from 'node:events'
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { honoSessions } from '../../src/hono.ts'
import { type Application, sessionsOn } from './application.ts'
import { FIRST_DATA, nextCookie, nextItem, nextLogin, OK, pageOf } from './page.ts'

export const none: Application = () => withoutSessions(new Hono())

/** What Hono itself takes for a middleware. */
export const empty: Application = () => withoutSessions(new Hono().use(async (_c, next) => next()))

/** As that of Express. */
function withoutSessions(app: Hono): Promise<Server> {
  app.get('/page', (c) => c.json(pageOf({})))
  app.post('/login', (c) => c.json(OK, 200, { 'Set-Cookie': nextCookie() }))
  for (const path of ['/write', '/logout']) app.post(path, (c) => c.json(OK))
  return listening(app)
}

export const coatcheck: Application = (client) => {
  const sessions = sessionsOn(client)
  const app = new Hono().use(honoSessions(sessions))
  app.get('/page', (c) => c.json(pageOf(sessions.of(c).data)))
  app.post('/write', (c) => {
    sessions.of(c).data.lastItem = nextItem()
    return c.json(OK)
  })
  app.post('/login', async (c) => {
    const own = sessions.of(c)
    const { userId, ...options } = nextLogin()
    Object.assign(own.data, FIRST_DATA)
    await own.login(userId, options)
    return c.json(OK)
  })
  app.post('/logout', async (c) => {
    await sessions.of(c).logout()
    return c.json(OK)
  })
  return listening(app)
}

async function listening(app: { fetch: Hono['fetch'] }): Promise<Server> {
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
  if (!server.listening) await once(server, 'listening')
  return server
}
