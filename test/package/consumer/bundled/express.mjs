import { expressSessions } from 'coatcheck/express'
import express from 'express'
import { connected, sessions } from './setup.mjs'
import { visit } from './visit.mjs'

const app = express()
app.use(expressSessions(sessions))
app.get('/', async (req, res) => res.json(await sessions.of(req).increment('views')))
await connected
const server = app.listen(0, '127.0.0.1', () => visit(server.address().port))
