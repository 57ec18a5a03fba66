import { fastifySessions } from 'coatcheck/fastify'
import Fastify from 'fastify'
import { connected, sessions } from './setup.mjs'
import { visit } from './visit.mjs'

const app = Fastify()
app.register(fastifySessions(sessions))
app.get('/', async (request) => String(await sessions.of(request).increment('views')))
await connected
await app.listen({ port: 0, host: '127.0.0.1' })
await visit(app.server.address().port)
