import { createSessions, type SessionEnd, type SessionEvent, type SessionEvents, type SessionStats } from 'coatcheck'
import { memoryStore } from 'coatcheck/memory'

const sessions = createSessions<{ cart: string[]; views: number }>({ store: memoryStore() })

const stop: () => void = sessions.on('revoked', (event) => {
  const who: string | null = event.userId
  const { id, cause, actor, previous, at, local }: SessionEvent = event
  console.log(who, id, cause, actor, previous, at, local)
  // @ts-expect-error An event holds no token.
  console.log(event.token)
  // @ts-expect-error Nor data.
  console.log(event.data)
  // @ts-expect-error Nobody changes what others are told.
  event.cause = 'x'
})
const types: (keyof SessionEvents)[] = [
  'created',
  'login',
  'rotated',
  'destroyed',
  'revoked',
  'evicted',
  'roles',
  'reuse',
  'refused',
]
for (const type of types) sessions.on(type, async ({ id }) => console.log(id))
// @ts-expect-error There is no such event.
sessions.on('expired', () => undefined)
// @ts-expect-error A listener is a function.
sessions.on('created')

const unwatch: () => void = await sessions.watch('id', ({ id, cause }: SessionEnd) => console.log(id, cause))
const { active, users, process }: SessionStats = await sessions.stats()
console.log(active, users, process.destroyed?.logout)

const [first] = await sessions.recent(50, { fields: ['views'] })
const views: number | undefined = first?.data.views
// @ts-expect-error What was not asked for is not there.
console.log(first?.data.cart)
// @ts-expect-error There is no such field.
await sessions.recent(50, { fields: ['colour'] })
// A page begins after the last session of the one before.
if (first !== undefined) await sessions.recent(50, { after: first })

const [device] = await sessions.user('ada').list()
// @ts-expect-error Only the session of a request knows which one asks.
console.log(device?.current, views)
unwatch()
stop()
