// A user's application, for esbuild to make one file of.
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/express'
import { redisStore } from 'coatcheck/redis'
import express from 'express'
import { createClient } from 'redis'

const client = createClient({ url: process.env.REDIS_URL })
const sessions = createSessions({
  store: redisStore(client),
  idleTimeout: '30m',
  lifetime: '12h',
  cookie: { secure: false },
})

const app = express()
app.use(expressSessions(sessions))
app.get('/', (req, res) => {
  const { data } = sessions.of(req)
  data.views = (data.views ?? 0) + 1
  res.json(data)
})

void client.connect().then(() => {
  const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
})
// Ends with the test, however that ends.
process.stdin.on('end', () => process.exit()).resume()
