import { setTimeout as pause } from 'node:timers/promises'
import { redisStore } from '../../src/redis.ts'
import { eventually } from '../support/http.ts'
import { CLIENTS, sessionsOn } from './world.ts'

// A process that listens to sessions, closes what it has opened, and then has nothing left to do.

const [name = '', url = '', when = ''] = process.argv.slice(2)
const client = CLIENTS[name]?.(url)
if (client === undefined) throw new Error(`There is no client ${name}.`)
client.on('error', () => undefined)
const connecting = client.connect()
if (when !== 'away') await connecting
const sessions = sessionsOn(redisStore(client))
const told: unknown[] = []
sessions.on('created', (event) => told.push(event))
if (when === 'later') {
  const { id } = await sessions.create()
  await sessions.watch(id, () => undefined)
  await eventually(() => told.length === 1)
}
if (when === 'away') await pause(50)
await sessions.close()
connecting.catch(() => undefined)
client.destroy()
process.disconnect?.()
