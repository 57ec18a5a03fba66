import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createHttp2Server, createSecureServer } from 'node:http2'
import { createSessions } from 'coatcheck'
import { memoryStore } from 'coatcheck/memory'
import { nodeSessions, requireRole, requireThat, requireUser, sameOrigin, upgradeSessions } from 'coatcheck/node'

const sessions = createSessions<{ views: number }>({ store: memoryStore() })
const withSession = nodeSessions(sessions, { secure: (req) => req.headers['x-forwarded-proto'] === 'https' })
const isBeta = requireThat((session) => session.data.views === 1, { sessions })

const server = createServer(withSession(sameOrigin()(requireUser()((req, res) => res.end(req.url)))))
const quiet = nodeSessions(sessions, { touch: (req: IncomingMessage) => !req.complete })
createServer(quiet((_req, res) => res.end()))
createServer(withSession(async (req, res) => res.end(String(await sessions.of(req).increment('views')))))
createHttp2Server(withSession((req, res) => res.end(String(req.stream.id))))
createSecureServer(withSession(isBeta((_req, res) => res.stream.respond({ ':status': 200 }))))
server.on('upgrade', upgradeSessions(sessions)(requireRole('admin')((_req, socket, head) => socket.end(head))))
// @ts-expect-error A listener of upgrades is none of requests.
createServer(upgradeSessions(sessions)((_req, socket) => socket.end()))
