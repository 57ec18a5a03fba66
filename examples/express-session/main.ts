import { CoatcheckStore } from 'coatcheck/express-session'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

declare module 'express-session' {
  interface SessionData {
    user?: string
    theme?: string
    visits?: number
  }
}

const client = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' }).connect()
const app = express()

app.use(
  session({
    store: new CoatcheckStore({ client }), // all that differs from an app with connect-redis
    secret: process.env.SESSION_SECRET ?? 'change me',
    resave: false,
    saveUninitialized: false,
    cookie: { secure: process.env.NODE_ENV !== 'development', sameSite: 'lax', maxAge: 30 * 60 * 1000 },
  }),
)

app.post('/login', (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error)
    req.session.user = 'u42' // whoever your password check has found
    req.session.theme = 'dark'
    res.status(204).end()
  })
})

app.get('/profile', (req, res) => {
  const { user, theme } = req.session
  if (user === undefined) return void res.status(401).json({ error: 'Authentication required' })
  req.session.visits = (req.session.visits ?? 0) + 1
  res.json({ user, theme, visits: req.session.visits })
})

app.post('/logout', (req, res, next) => {
  req.session.destroy((error) => {
    if (error) return next(error)
    res.status(204).end()
  })
})

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`Listening on http://localhost:${port}`))

process.once('SIGTERM', () => {
  server.close(() => client.close())
})
