import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import { StoreError } from 'coatcheck'
import { CoatcheckStore, type CoatcheckStoreOptions, type ListedSession } from 'coatcheck/express-session'
import express from 'express'
import session, { type SessionData, type Store } from 'express-session'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { createClient } from 'redis'

declare module 'express-session' {
  interface SessionData {
    views: number
  }
}

const client = await createClient().connect()
const options: CoatcheckStoreOptions = { client, prefix: 'shop:', ttl: '2h', lifetime: '12h', touchInterval: '1m' }
const store = new CoatcheckStore(options)
const base: Store = store

const app = express()
app.use(session({ store: new CoatcheckStore({ client }), secret: 'x', resave: false, saveUninitialized: false }))
app.use(session({ store: base, secret: 'x', resave: false, saveUninitialized: false }))
app.get('/', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json(req.session.views)
})

// With callbacks, as express-session calls them, and as promises.
const found: SessionData | null = await store.get('sid')
store.get('sid', (error, loaded) => console.log(error instanceof StoreError, loaded?.views))
if (found !== null) {
  await store.set('sid', found)
  store.set('sid', found, (error) => console.log(error))
  await store.touch('sid', found)
  store.touch('sid', found, () => undefined)
}
await store.destroy('sid')
store.destroy('sid', (error) => console.log(error))
const all: ListedSession[] = await store.all()
store.all((_error, sessions) => console.log(sessions?.[0]?.id))
const views: number | undefined = all[0]?.views
const ids: string[] = await store.ids()
const length: number = await store.length()
store.length((_error, count) => console.log(count))
await store.clear()
store.on('connect', () => undefined)
console.log(ids, length, views)
// @ts-expect-error There is no such option.
new CoatcheckStore({ client, scanCount: 100 })
// @ts-expect-error A client is needed.
new CoatcheckStore({ prefix: 'x' })

const redis = new Redis({ autoResendUnfulfilledCommands: false })
const fastify = Fastify()
await fastify.register(fastifyCookie)
await fastify.register(fastifySession, { store: new CoatcheckStore({ client: redis }), secret: 'x'.repeat(32) })
