import type { AddressInfo, Socket } from 'node:net'
import express, { type NextFunction, type Request, type Response } from 'express'
import { expressSessions, requireRole } from '../../src/express.ts'
import { CoatcheckError, createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { answer, tellReady } from '../fire/leash.ts'
import type { ChaosApp } from './apps.ts'
import { newClient } from './chaos-clients.ts'

// One process of the application under chaos: it does as the load says, by every operation that a request can want.

interface Data {
  label: string
  views: number
  list: string[]
  [field: `r${string}`]: string
}

const settings: ChaosApp = JSON.parse(process.env.CHAOS_APP ?? '{}')
const client = await newClient(settings)
const sessions = createSessions<Data>({
  store: redisStore(client.client, { prefix: settings.prefix }),
  cookie: { secure: false },
  maxPerUser: 10_000,
  ...settings.sessions,
})

type Handler = (req: Request, res: Response) => Promise<unknown>

/** What every answer says of the session that served it. */
function about(req: Request) {
  const { id, userId, roles, data } = sessions.of(req)
  return { label: data.label ?? null, id, user: userId, roles }
}

/** For those who have a session. */
function inSession(handler: Handler): Handler {
  return async (req, res) => {
    if (sessions.of(req).id === null) return res.status(401).json({ error: 'no session' })
    return handler(req, res)
  }
}

const routes: Record<string, Handler> = {
  async begin(req, res) {
    const session = sessions.of(req)
    session.data.label = req.body.label
    await session.commit()
    res.json(about(req))
  },
  async login(req, res) {
    const session = sessions.of(req)
    const previous = session.data.label ?? null
    session.data.label = req.body.label
    await session.login(req.body.user, { device: req.body.label })
    res.json({ ...about(req), previous })
  },
  read: inSession(async (req, res) => res.json({ ...about(req), data: sessions.of(req).data })),
  write: inSession(async (req, res) => {
    const session = sessions.of(req)
    session.data[req.body.field as 'r'] = req.body.value
    // Every other one is committed as the answer leaves.
    if (req.body.at === 'once') await session.commit()
    res.json(about(req))
  }),
  increment: inSession(async (req, res) => {
    const value = await sessions.of(req).increment('views')
    res.json({ ...about(req), value })
  }),
  append: inSession(async (req, res) => {
    await sessions.of(req).update('list', (list = []) => [...list, req.body.value])
    res.json(about(req))
  }),
  rotate: inSession(async (req, res) => {
    await sessions.of(req).rotate()
    res.json(about(req))
  }),
  devices: inSession(async (req, res) => {
    const devices = await sessions.of(req).devices()
    res.json({ ...about(req), devices: devices.map(({ device }) => device) })
  }),
  revoke: inSession(async (req, res) => {
    const session = sessions.of(req)
    const target = (await session.devices()).find(({ device }) => device === req.body.target)
    const found = target !== undefined && (await session.revoke(target.id))
    res.json({ found })
  }),
  revokeOthers: inSession(async (req, res) => {
    await sessions.of(req).revokeOthers()
    res.json(about(req))
  }),
  revokeAll: inSession(async (req, res) => {
    await sessions.of(req).revokeAll()
    res.json({})
  }),
  logout: inSession(async (req, res) => {
    await sessions.of(req).logout()
    res.json({})
  }),
  setRoles: inSession(async (req, res) => {
    await sessions.user(String(sessions.of(req).userId)).setRoles(req.body.roles)
    res.json({})
  }),
}

const app = express()
const onError = (error: unknown) => error instanceof CoatcheckError || console.error(error)
app.use(expressSessions(sessions, { onError }), express.json())
// Whose connection broke before the body had been read gets none, and nobody waits for the answer.
app.use((req, res, next) => (req.body === undefined ? res.sendStatus(400) : next()))
app.post('/guarded', requireRole('admin'), (req, res) => res.json(about(req)))
for (const [name, handler] of Object.entries(routes)) app.post(`/${name}`, handler)
app.use((error: Partial<CoatcheckError> & { outcome?: string }, req: Request, res: Response, next: NextFunction) => {
  if (res.headersSent) return next(error)
  const status = error.status ?? 500
  if (status === 500) console.error(error)
  return res.status(status).json({ error: error.code ?? 'none', outcome: error.outcome, early: !isOpen(req) })
})

/** Whether the request's session has been read. */
function isOpen(req: Request): boolean {
  try {
    return sessions.of(req) !== null
  } catch {
    return false
  }
}

const sockets = new Set<Socket>()
const server = app.listen(0, '127.0.0.1', () => tellReady((server.address() as AddressInfo).port))
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
})

answer({
  /** Breaks one of the connections to the application. */
  breakOne() {
    const all = [...sockets]
    all[Math.floor(Math.random() * all.length)]?.resetAndDestroy()
  },
  memory() {
    for (let i = 0; i < 3; i++) globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    return { heapUsed, rss }
  },
  async close() {
    server.close()
    server.closeAllConnections()
    await sessions.close()
    await client.destroy()
  },
})
