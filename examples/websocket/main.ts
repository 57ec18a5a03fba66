import { createServer, type RequestListener } from 'node:http'
import { createSessions, type Session } from 'coatcheck'
import { nodeSessions, requireUser, sameOrigin, upgradeSessions } from 'coatcheck/node'
import { redisStore } from 'coatcheck/redis'
import { createClient } from 'redis'
import { type WebSocket, WebSocketServer } from 'ws'

// A chat for those who are logged in. A connection closes when its session ends: by logout, from another device, by a limit or
// by expiry, in this process or in another one.

const client = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' }).connect()
const sessions = createSessions({
  store: redisStore(client),
  idleTimeout: process.env.IDLE_TIMEOUT ?? '30m',
  rotateEvery: process.env.ROTATE_EVERY ?? '15m', // connections stay: a rotated session is still the same one
  cookie: { secure: process.env.NODE_ENV !== 'development' },
})

const routes: Record<string, RequestListener> = {
  'GET /': (_req, res) => res.setHeader('content-type', 'text/html').end(PAGE),

  'POST /login': async (req, res) => {
    await sessions.of(req).login('u42') // whoever your password check has found
    res.writeHead(204).end()
  },

  'POST /logout': async (req, res) => {
    await sessions.of(req).logout()
    res.writeHead(204).end()
  },

  'POST /logout/others': requireUser()(async (req, res) => {
    await sessions.of(req).revokeOthers()
    res.writeHead(204).end()
  }),

  'POST /logout/everywhere': requireUser()(async (req, res) => {
    await sessions.of(req).revokeAll()
    res.writeHead(204).end()
  }),
}

const listener: RequestListener = (req, res) => {
  const route = routes[`${req.method} ${req.url}`]
  return route === undefined ? res.writeHead(404).end() : route(req, res)
}
const server = createServer(nodeSessions(sessions)(sameOrigin()(listener)))

const sockets = new WebSocketServer({ noServer: true })
server.on(
  'upgrade',
  // Refuses other sites and visitors, with 403 and 401, before there is a connection.
  upgradeSessions(sessions)(
    requireUser()((req, socket, head) => {
      sockets.handleUpgrade(req, socket, head, (ws) => {
        chat(ws, sessions.of(req)).catch(() => ws.close(1013, 'try again later'))
      })
    }),
  ),
)

async function chat(ws: WebSocket, session: Session) {
  ws.on('error', console.error)
  ws.on('message', (text) => {
    if (ws.readyState !== ws.OPEN) return // its session has ended, and the other side has yet to agree
    for (const each of sockets.clients) each.send(`${session.userId}: ${text}`)
  })
  const unwatch = await sessions.watch(String(session.id), () => ws.close(4401, 'session ended'))
  ws.on('close', unwatch)
  if (ws.readyState === ws.OPEN) ws.send('welcome')
  else unwatch() // it has gone meanwhile
}

const port = Number(process.env.PORT ?? 3000)
server.listen(port, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  for (const ws of sockets.clients) ws.close(1001, 'server stops')
  server.close(async () => {
    await sessions.close() // what is on its way to Redis, first
    await client.close()
  })
})

const PAGE = `<!doctype html>
<title>WebSocket</title>
<button data-post="/login">Log in</button>
<button data-post="/logout">Log out</button>
<button data-post="/logout/others">Log out elsewhere</button>
<button data-post="/logout/everywhere">Log out everywhere</button>
<form><input name="text"><button>Send</button></form>
<pre></pre>
<script>
  let ws
  const show = (line) => document.querySelector('pre').append(line + '\\n')
  const open = () => {
    ws = new WebSocket(location.origin.replace('http', 'ws'))
    ws.onmessage = ({ data }) => show(data)
    ws.onclose = ({ code, reason }) => show('closed: ' + code + ' ' + reason)
  }
  for (const button of document.querySelectorAll('[data-post]')) {
    button.onclick = async () => {
      await fetch(button.dataset.post, { method: 'POST' })
      if (button.dataset.post === '/login') open()
    }
  }
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault()
    ws?.send(event.target.text.value)
  }
  open()
</script>
`
