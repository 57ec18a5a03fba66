import type { RequestListener } from 'node:http'
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import Fastify from 'fastify'
import { expressSessions } from '../../src/express.ts'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import type { RedisClient } from '../support/redis-server.ts'

// One application over several session libraries, each with the options that its documentation advises for logins:
// `POST /begin` begins a session, `POST /set/:field` sets a field when the gate opens, `GET /slow` only waits for it, `GET /`
// tells the names of the fields, `POST /logout` ends the session.

export interface App {
  readonly listener: RequestListener
  close(): Promise<unknown>
}

/** What a slow request waits for, its session being loaded. */
export type Gate = () => Promise<void>

type Fields = Record<string, unknown>

const SECRET = 'no secret, thirty-two characters'
const OWN = ['cookie']

export async function coatcheck(client: RedisClient, gate: Gate): Promise<App> {
  const sessions = createSessions({ store: redisStore(client), cookie: { secure: false } })
  // Writes that come too late fail here, as they are meant to.
  const app = express()
    .set('env', 'test')
    .use(expressSessions(sessions, { onError: () => undefined }))
  app.post('/begin', (req, res) => {
    sessions.of(req).data.user = 'u42'
    res.end()
  })
  app.post('/set/:field', async (req, res) => {
    await gate()
    sessions.of(req).data[req.params.field] = true
    res.end()
  })
  app.get('/slow', async (_req, res) => {
    await gate()
    res.end()
  })
  app.get('/', (req, res) => {
    res.json(Object.keys(sessions.of(req).data))
  })
  app.post('/logout', async (req, res) => {
    await sessions.of(req).logout()
    res.end()
  })
  return { listener: app, close: () => sessions.close() }
}

export async function expressSession(client: RedisClient, gate: Gate): Promise<App> {
  const app = express()
  app.use(session({ store: new RedisStore({ client }), secret: SECRET, resave: false, saveUninitialized: false }))
  const fieldsOf = (req: { session: object }) => req.session as Fields
  app.post('/begin', (req, res) => {
    fieldsOf(req).user = 'u42'
    res.end()
  })
  app.post('/set/:field', async (req, res) => {
    await gate()
    fieldsOf(req)[req.params.field] = true
    res.end()
  })
  app.get('/slow', async (_req, res) => {
    await gate()
    res.end()
  })
  app.get('/', (req, res) => {
    res.json(Object.keys(req.session).filter((name) => !OWN.includes(name)))
  })
  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.end()))
  })
  return { listener: app, close: async () => undefined }
}

export async function fastifySessionApp(client: RedisClient, gate: Gate): Promise<App> {
  const app = Fastify()
  await app.register(fastifyCookie)
  await app.register(fastifySession, {
    store: new RedisStore({ client }),
    secret: SECRET,
    saveUninitialized: false,
    cookie: { secure: false },
  })
  const fieldsOf = (request: { session: object }) => request.session as Fields
  app.post('/begin', async (request) => {
    fieldsOf(request).user = 'u42'
    return ''
  })
  app.post<{ Params: { field: string } }>('/set/:field', async (request) => {
    await gate()
    fieldsOf(request)[request.params.field] = true
    return ''
  })
  app.get('/slow', async () => {
    await gate()
    return ''
  })
  app.get('/', async (request) => Object.keys(request.session).filter((name) => !OWN.includes(name)))
  app.post('/logout', async (request) => {
    await request.session.destroy()
    return ''
  })
  await app.ready()
  return { listener: (req, res) => app.routing(req, res), close: () => app.close() }
}
