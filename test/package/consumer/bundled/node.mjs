import { createServer } from 'node:http'
import { nodeSessions } from 'coatcheck/node'
import { connected, sessions } from './setup.mjs'
import { visit } from './visit.mjs'

const server = createServer(
  nodeSessions(sessions)(async (req, res) => res.end(String(await sessions.of(req).increment('views')))),
)
await connected
server.listen(0, '127.0.0.1', () => visit(server.address().port))
