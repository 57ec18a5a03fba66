import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { nodeSessions } from '../../src/node.ts'
import { type Application, sessionsOn } from './application.ts'
import { FIRST_DATA, nextCookie, nextItem, nextLogin, OK, pageOf } from './page.ts'

/** As those of Express. */
export const none: Application = () =>
  listening((req, res) => {
    if (req.url === '/login') res.setHeader('Set-Cookie', nextCookie())
    answer(res, req.url === '/page' ? pageOf({}) : OK)
  })

export const coatcheck: Application = (client) => {
  const sessions = sessionsOn(client)
  const page = (req: IncomingMessage, res: ServerResponse) => answer(res, pageOf(sessions.of(req).data))
  return listening(
    // As without sessions, and as the pages of Express: the page itself waits for nothing.
    nodeSessions(sessions)((req, res) => (req.url === '/page' ? page(req, res) : change(req, res))),
  )

  async function change(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const own = sessions.of(req)
    if (req.url === '/write') own.data.lastItem = nextItem()
    if (req.url === '/login') {
      const { userId, ...options } = nextLogin()
      Object.assign(own.data, FIRST_DATA)
      await own.login(userId, options)
    }
    if (req.url === '/logout') await own.logout()
    answer(res, OK)
  }
}

function answer(res: ServerResponse, body: object): void {
  const text = JSON.stringify(body)
  res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(text) })
  res.end(text)
}

async function listening(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
