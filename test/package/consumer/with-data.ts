import { createSessions, SessionEndedError, type SessionsOptions } from 'coatcheck'
import { expressSessions } from 'coatcheck/express'
import { redisStore } from 'coatcheck/redis'
import express, { type Request } from 'express'
import { createClient } from 'redis'

// An interface, not a type alias: the two differ in what they are assignable to.
interface Data {
  cart: string[]
  lastItem: string
  pageViews: number
}

const client = await createClient().connect()
const options: SessionsOptions = { store: redisStore(client), idleTimeout: '30m', lifetime: '12h' }
const sessions = createSessions<Data>(options)

const app = express()
app.use(express.json())
app.use(
  expressSessions(sessions, {
    touch: (req: Request) => req.path !== '/poll',
    onError: (error, req: Request) => console.error(req.originalUrl, error),
  }),
)
app.post('/cart', async (req, res) => {
  const session = sessions.of(req)
  await session.update('cart', (cart = []) => [...cart, req.body.item])
  session.data.lastItem = req.body.item
  res.json({ views: await session.increment('pageViews') })
})
app.post('/wrong', async (req) => {
  const session = sessions.of(req)
  // @ts-expect-error A number is no string.
  session.data.lastItem = 1
  // @ts-expect-error Nobody has declared this field.
  session.data.unknown = 'x'
  // @ts-expect-error Every field may be absent.
  session.data.lastItem.trim()
  // @ts-expect-error Only numbers can be incremented.
  await session.increment('lastItem')
  // @ts-expect-error The new value has the type of the field.
  await session.update('cart', () => 'x')
})
app.post('/logout', async (req, res) => {
  await sessions.of(req).logout()
  res.json({ ok: true })
})

const { token, id } = await sessions.create({ pageViews: 1 })
const session = await sessions.load(token)
const views: number | undefined = session?.data.pageViews
const ended: boolean = await sessions.destroy(token)
await sessions.revoke(id)
await sessions.close()
console.log(views, ended, SessionEndedError.name)

// Field names that coatcheck reserves.
// @ts-expect-error
createSessions<{ user_id: string }>(options)
// @ts-expect-error
createSessions<{ views: number; created_at: number }>(options)
// @ts-expect-error
createSessions<{ _private: string }>(options)
// @ts-expect-error
createSessions<{ __proto__: string }>(options)
