import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import { CoatcheckStore } from '../../src/express-session.ts'

// A process of its own, whose callbacks throw: tells of each method how often it was called, and what the process came to know.

const [url = ''] = process.argv.slice(2)
const client = await createClient({ url }).connect()
const store = new CoatcheckStore({ client, prefix: `${randomUUID()}:` })

let called = 0
let rejected = 0
const uncaught: string[] = []
process.on('uncaughtException', (error) => uncaught.push(error.message))
process.on('unhandledRejection', () => rejected++)

const session = { cookie: {} } as never
await store.set('s', session)
const callback = () => {
  called++
  throw new Error('thrown by the callback')
}
const calls: Record<string, () => unknown> = {
  get: () => store.get('s', callback),
  set: () => store.set('s', session, callback),
  touch: () => store.touch('s', session, callback),
  destroy: () => store.destroy('s', callback),
  all: () => store.all(callback),
  ids: () => store.ids(callback),
  length: () => store.length(callback),
  clear: () => store.clear(callback),
}
const told: Record<string, object> = {}
for (const [name, call] of Object.entries(calls)) {
  called = 0
  rejected = 0
  uncaught.length = 0
  call()
  while (uncaught.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  await store.length()
  await new Promise(setImmediate)
  told[name] = { called, uncaught: [...uncaught], rejected }
}
console.log(JSON.stringify(told))
client.destroy()
