import type { Server } from 'node:http'
import { RedisStore } from 'connect-redis'
import express, { type Express } from 'express'
import session from 'express-session'
import { expressSessions } from '../../src/express.ts'
import { CoatcheckStore } from '../../src/express-session.ts'
import { type Application, type RedisClient, SECRET, STORE_TIMEOUT, sessionsOn } from './application.ts'
import { beginHash, type Hash, hashOf, pageOfHash, writeHash } from './floor.ts'
import { type Data, FIRST_DATA, nextCookie, nextItem, nextLogin, OK, pageOf } from './page.ts'

export const none: Application = () => withoutSessions(express())

/** What Express itself takes for a middleware. */
export const empty: Application = () => withoutSessions(express().use((_req, _res, next) => next()))

/** Answers the same requests as the others, so that all have the same history when visitors come. */
function withoutSessions(app: Express): Promise<Server> {
  app.get('/page', (_req, res) => void res.json(pageOf({})))
  app.post('/login', (_req, res) => void res.setHeader('Set-Cookie', nextCookie()).json(OK))
  for (const path of ['/write', '/logout']) app.post(path, (_req, res) => void res.json(OK))
  return listening(app)
}

/** One HGETALL and nothing else, for a write one HSET more: what no session library on hashes can do with less. */
export const floor: Application = (client) => {
  const app = express()
  app.use(async (req, _res, next) => {
    Object.assign(req, { hash: await hashOf(client, req.headers.cookie) })
    next()
  })
  app.get('/page', (req, res) => void res.json(pageOfHash((req as { hash?: Hash }).hash)))
  app.post('/write', async (req, res) => {
    await writeHash(client, req.headers.cookie, nextItem())
    res.json(OK)
  })
  app.post('/login', async (_req, res) => {
    const id = await beginHash(client)
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
export const ourStore: Application = (client) =>
  expressSession(new CoatcheckStore({ client, storeTimeout: STORE_TIMEOUT }))

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
