/**
 * An application with sessions, in a process of its own: `SERVERS` (cluster or sentinel), `LIBRARY`, `URLS`, `WAIT`. Says its port on
 * the standard output. At the end of its standard input it closes what it has opened, and then has nothing left to live for.
 */
import { once } from 'node:events'
import express, { type NextFunction, type Request, type Response } from 'express'
import { expressSessions } from '../../src/express.ts'
import { createSessions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { CLUSTER_CLIENTS, SENTINEL_CLIENTS } from '../redis/many-clients.ts'

const { SERVERS = '', LIBRARY = '', URLS = '', WAIT } = process.env
const newClient = (SERVERS === 'cluster' ? CLUSTER_CLIENTS : SENTINEL_CLIENTS)[`${LIBRARY} 6`]
if (newClient === undefined) throw new Error(`No client ${LIBRARY}`)
const made = newClient(URLS.split(','))
await made.connect()

const sessions = createSessions<{ writes: number }>({
  store: redisStore(made.client, { waitForReplicas: WAIT === 'yes' ? 1 : 0 }),
  cookie: { secure: false },
})
const app = express()
app.use(expressSessions(sessions))
app.post('/login/:user', async (req, res) => {
  await sessions.of(req).login(req.params.user)
  res.json({ user: req.params.user })
})
app.post('/write', async (req, res) => {
  const session = sessions.of(req)
  if (session.userId === null) return void res.status(401).json({ user: null })
  res.json({ user: session.userId, writes: await session.increment('writes') })
})
app.get('/read', (req, res) => {
  const { userId, data } = sessions.of(req)
  res.json({ user: userId, writes: data.writes ?? 0 })
})
app.post('/logout', async (req, res) => {
  await sessions.of(req).logout()
  res.json({})
})
app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
  const code = error instanceof StoreError ? error.code : String(error)
  res.status(error instanceof StoreError ? 503 : 500).json({ code })
})

const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
console.log(typeof address === 'object' && address?.port)

process.stdin.resume()
await once(process.stdin, 'end')
server.close()
server.closeAllConnections()
await sessions.close()
await made.destroy()
