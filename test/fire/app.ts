import type { AddressInfo } from 'node:net'
import express, { type NextFunction, type Request, type Response } from 'express'
import { createClient } from 'redis'
import { expressSessions } from '../../src/express.ts'
import { CoatcheckError, createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import type { AppSettings } from './child.ts'
import { answer, tellReady } from './leash.ts'

// The application under fire: it hands on to coatcheck whatever a request says, and answers what coatcheck says to that.

const settings: AppSettings = JSON.parse(process.env.APP ?? '{}')
const client = createClient({
  url: settings.redisUrl,
  socket: { reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 1000) },
})
await client.connect()

/** The first word of each command sent. */
let commands: string[] = []
const store = redisStore(client, {
  ...(settings.prefix !== undefined && { prefix: settings.prefix }),
  onCommand: ([word = '']) => {
    if (commands.length < 10_000) commands.push(word)
  },
})
const sessions = createSessions<Record<string, unknown>>({ store, ...settings.sessions })

type Handler = (req: Request, res: Response) => Promise<unknown>

/** What a body holds, whatever it is. */
function said(req: Request): Record<string, unknown> {
  return typeof req.body === 'object' && req.body !== null ? req.body : {}
}

const routes: Record<string, Handler> = {
  async set(req, res) {
    const { field, value } = said(req)
    if (typeof field !== 'string') return res.status(400).json({ error: 'a field is a string' })
    const session = sessions.of(req)
    session.data[field] = value
    await session.commit()
    return res.json({ id: session.id })
  },
  async assign(req, res) {
    const session = sessions.of(req)
    Object.assign(session.data, req.body)
    await session.commit()
    return res.json({ id: session.id, fields: Object.keys(session.data).length })
  },
  async increment(req, res) {
    const { field, by } = said(req)
    return res.json({ value: await sessions.of(req).increment(field as never, by as number) })
  },
  async update(req, res) {
    const { field, value } = said(req)
    await sessions.of(req).update(field as string, () => value)
    return res.json({ id: sessions.of(req).id })
  },
  async append(req, res) {
    const { field, value } = said(req)
    const list = (now: unknown) => (Array.isArray(now) ? now : []).slice(-9)
    await sessions.of(req).update(field as string, (now) => [...list(now), value])
    return res.json({ id: sessions.of(req).id })
  },
  /** Counts by compare and set. */
  async tally(req, res) {
    return res.json({ value: await sessions.of(req).update('tally', (tally = 0) => Number(tally) + 1) })
  },
  async timeout(req, res) {
    const session = sessions.of(req)
    session.setIdleTimeout(said(req).value as number)
    await session.commit()
    return res.json({ idleTimeout: session.idleTimeout })
  },
  /** Committed as the response leaves. */
  async note(req, res) {
    const { value } = said(req)
    sessions.of(req).data.note = typeof value === 'string' ? value.slice(0, 1000) : 'none'
    return res.json({ ok: true })
  },
  async rotate(req, res) {
    await sessions.of(req).rotate()
    return res.json({ id: sessions.of(req).id })
  },
  async logout(req, res) {
    await sessions.of(req).logout()
    return res.json({ ok: true })
  },
}

/** What a request said was wrong: its sender's fault. */
const INPUT = /^ERR_(?:FIELD_|ARGUMENT)/

const app = express()
// Of a commit that was refused, the response tells; anything else is a failure.
const onError = (error: unknown) => error instanceof CoatcheckError || console.error(error)
app.use(expressSessions(sessions, { onError }), express.json({ limit: '4mb' }))
app.get('/data', (req, res) => res.json(sessions.of(req).data))
app.get('/about/:what', (req, res) => {
  const { id, ended, idleTimeout, expiresAt } = sessions.of(req)
  res.json({ id, ended, idleTimeout, expiresAt, what: req.params.what })
})
for (const [name, handler] of Object.entries(routes)) app.post(`/${name}`, handler)
app.use((error: { status?: number; code?: string }, _req: Request, res: Response, next: NextFunction) => {
  if (res.headersSent) return next(error)
  const isInput = error instanceof CoatcheckError && INPUT.test(error.code)
  const status = isInput ? 400 : (error.status ?? 500)
  if (status === 500) console.error(error)
  return res.status(status).json({ error: error.code ?? 'none' })
})

const server = app.listen(0, '127.0.0.1', () => tellReady((server.address() as AddressInfo).port))

answer({
  now: () => ({ date: Date.now(), constructed: new Date().toISOString(), text: Date() }),
  /** Any method of the sessions that takes plain values. */
  call: (method: 'find', ...args: [string]) => sessions[method](...args),
  /** The commands since the last call. */
  commands: () => commands.splice(0),
  memory() {
    commands = []
    for (let i = 0; i < 3; i++) globalThis.gc?.()
    return process.memoryUsage().heapUsed
  },
  /** What keeps the process alive, counted by kind. */
  resources() {
    const counts: Record<string, number> = {}
    for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
    return counts
  },
  async close() {
    server.close()
    await sessions.close()
    await client.close()
  },
  closeSessions: () => sessions.close(),
  /** Without waiting for what the client still waits for. */
  end() {
    server.close()
    server.closeAllConnections()
    client.destroy()
  },
})
