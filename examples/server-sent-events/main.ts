import { createSessions } from 'coatcheck'
import { expressSessions, requireUser, sameOrigin } from 'coatcheck/express'
import { redisStore } from 'coatcheck/redis'
import express, { type Response } from 'express'
import { createClient } from 'redis'

// A clock for those who are logged in. A stream ends when its session ends: by logout, from another device, by a limit or by
// expiry, in this process or in another one.

const client = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' }).connect()
const sessions = createSessions({
  store: redisStore(client),
  idleTimeout: process.env.IDLE_TIMEOUT ?? '30m',
  rotateEvery: process.env.ROTATE_EVERY ?? '15m', // streams go on: a rotated session is still the same one
  cookie: { secure: process.env.NODE_ENV !== 'development' },
})
const app = express()

app.use(sameOrigin(), expressSessions(sessions))

app.get('/', (_req, res) => {
  res.type('html').send(PAGE)
})

app.post('/login', async (req, res) => {
  await sessions.of(req).login('u42') // whoever your password check has found
  res.status(204).end()
})

app.post('/logout', async (req, res) => {
  await sessions.of(req).logout()
  res.status(204).end()
})

app.post('/logout/others', requireUser(), async (req, res) => {
  await sessions.of(req).revokeOthers()
  res.status(204).end()
})

app.post('/logout/everywhere', requireUser(), async (req, res) => {
  await sessions.of(req).revokeAll()
  res.status(204).end()
})

const streams = new Set<Response>()

app.get('/events', requireUser(), async (req, res) => {
  const unwatch = await sessions.watch(String(sessions.of(req).id), ({ cause }) => {
    res.end(`event: ended\ndata: ${cause}\n\n`)
  })
  if (res.closed) return unwatch() // it has gone meanwhile
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const tick = () => {
    if (!res.writableEnded) res.write(`data: ${new Date().toISOString()}\n\n`)
  }
  const clock = setInterval(tick, 1000)
  tick()
  streams.add(res)
  res.on('close', () => {
    clearInterval(clock)
    streams.delete(res)
    unwatch()
  })
})

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  for (const res of streams) res.end() // the browser comes back by itself, to another process
  server.close(async () => {
    await sessions.close() // what is on its way to Redis, first
    await client.close()
  })
})

const PAGE = `<!doctype html>
<title>Server-Sent Events</title>
<button data-post="/login">Log in</button>
<button data-post="/logout">Log out</button>
<button data-post="/logout/others">Log out elsewhere</button>
<button data-post="/logout/everywhere">Log out everywhere</button>
<pre></pre>
<script>
  let events
  const show = (line) => { document.querySelector('pre').textContent = line }
  const open = () => {
    events?.close()
    events = new EventSource('/events')
    events.onmessage = ({ data }) => show(data)
    events.onerror = () => show(events.readyState === EventSource.CLOSED ? 'not logged in' : 'connecting …')
    events.addEventListener('ended', ({ data }) => {
      events.close()
      show('the session has ended: ' + data)
    })
  }
  for (const button of document.querySelectorAll('[data-post]')) {
    button.onclick = async () => {
      await fetch(button.dataset.post, { method: 'POST' })
      if (button.dataset.post === '/login') open()
    }
  }
  open()
</script>
`
