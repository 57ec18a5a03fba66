import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/express'
import { expressSessionCookie } from 'coatcheck/from-express-session'
import { memoryStore } from 'coatcheck/memory'
import express from 'express'
import { visit } from './visit.mjs'

const adopt = expressSessionCookie({ store: memoryStore(), secret: 'secret' })
const sessions = createSessions({ store: memoryStore(), cookie: { secure: false }, adopt })
const app = express()
app.use(expressSessions(sessions))
app.get('/', async (req, res) => res.json(await sessions.of(req).increment('views')))
const server = app.listen(0, '127.0.0.1', () => visit(server.address().port))
