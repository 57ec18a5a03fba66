import { CoatcheckStore } from 'coatcheck/express-session'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import { visit } from './visit.mjs'

const client = await createClient({ url: process.env.REDIS_URL }).connect()
const app = express()
const store = new CoatcheckStore({ client })
app.use(session({ store, secret: 'secret', resave: false, saveUninitialized: false }))
app.get('/', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json(req.session.views)
})
const server = app.listen(0, '127.0.0.1', () => visit(server.address().port))
