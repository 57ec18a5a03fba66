import { serve } from '@hono/node-server'
import { honoSessions } from 'coatcheck/hono'
import { Hono } from 'hono'
import { connected, sessions } from './setup.mjs'
import { visit } from './visit.mjs'

const app = new Hono().use(honoSessions(sessions)).get('/', async (c) => c.json(await c.var.session.increment('views')))
await connected
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => visit(port))
