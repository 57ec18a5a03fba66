import type { Server } from 'node:http'
import { RedisStore } from 'connect-redis'
import express, { type Express } from 'express'
import session from 'express-session'
import { expressSessions } from '../../src/express.ts'
import { CoatcheckStore } from '../../src/express-session.ts'
import { type Application, type RedisClient, SECRET, sessionsOn } from './application.ts'
import { type Data, FIRST_DATA, nextItem, nextLogin, OK, pageOf } from './page.ts'

export const none: Application = () => {
  const app = express()
  app.get('/page', (_req, res) => void res.json(pageOf({})))
  return listening(app)
}

/** One HGETALL and nothing else: what no session library can do with less. */
export const floor: Application = (client) => {
  const app = express()
  app.use(async (req, _res, next) => {
    const id = /(?:^|; )sid=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
    const hash = id === undefined ? {} : await client.hGetAll(`floor:${id}`)
    Object.assign(req, { hash })
    next()
  })
  app.get('/page', (req, res) => {
    const { name, views } = (req as { hash?: Record<string, string> }).hash ?? {}
    res.json(pageOf({ ...(name && { name }), ...(views && { views: Number(views) }) }))
  })
  app.post('/login', async (_req, res) => {
    const { userId, roles, device } = nextLogin()
    const id = crypto.randomUUID()
    const now = `${Date.now()}`
    // As many fields, and as long, as a session of coatcheck has.
    const times = { created_at: now, last_accessed_at: now, session_ttl: '1800', deadline: now, authenticated_at: now }
    const user = { user_id: userId, roles: JSON.stringify(roles), device, request_count: '1' }
    await client.hSet(`floor:${id}`, { ...times, ...user, name: FIRST_DATA.name, views: FIRST_DATA.views })
    res.setHeader('Set-Cookie', `sid=${id}; Path=/; HttpOnly`).json(OK)
  })
  return listening(app)
}

export const coatcheck: Application = (client) => coatcheckApp(client)

/** Each request extends the session in Redis, instead of once a minute. */
export const coatcheckTouching: Application = (client) => coatcheckApp(client, 0)

function coatcheckApp(client: RedisClient, touchInterval?: number): Promise<Server> {
  const sessions = sessionsOn(client, touchInterval)
  const app = express().use(expressSessions(sessions))
  app.get('/page', (req, res) => void res.json(pageOf(sessions.of(req).data)))
  app.post('/write', (req, res) => {
    sessions.of(req).data.lastItem = nextItem()
    res.json(OK)
  })
  app.post('/login', async (req, res) => {
    const own = sessions.of(req)
    const { userId, ...options } = nextLogin()
    Object.assign(own.data, FIRST_DATA)
    await own.login(userId, options)
    res.json(OK)
  })
  app.post('/logout', async (req, res) => {
    await sessions.of(req).logout()
    res.json(OK)
  })
  return listening(app)
}

export const connectRedis: Application = (client) => expressSession(new RedisStore({ client }))

/** coatcheck's store below express-session. */
export const ourStore: Application = (client) => expressSession(new CoatcheckStore({ client }))

function expressSession(store: session.Store): Promise<Server> {
  const app = express()
  app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false }))
  const dataOf = (req: { session: object }) => req.session as Partial<Data>
  app.get('/page', (req, res) => void res.json(pageOf(dataOf(req))))
  app.post('/write', (req, res) => {
    dataOf(req).lastItem = nextItem()
    res.json(OK)
  })
  app.post('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      Object.assign(req.session, FIRST_DATA, nextLogin())
      res.json(OK)
    })
  })
  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.json(OK)))
  })
  return listening(app)
}

function listening(app: Express): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = app.listen(0, '127.0.0.1', (error) => (error ? reject(error) : resolve(server)))
  })
}
