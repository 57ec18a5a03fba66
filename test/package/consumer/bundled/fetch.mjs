import { serve } from '@hono/node-server'
import { fetchSessions } from 'coatcheck/fetch'
import { connected, sessions } from './setup.mjs'
import { visit } from './visit.mjs'

const fetch = fetchSessions(sessions)(async (request) => Response.json(await sessions.of(request).increment('views')))
await connected
serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => visit(port))
