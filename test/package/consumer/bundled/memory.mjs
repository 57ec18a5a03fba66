import { createSessions } from 'coatcheck'
import { memoryStore } from 'coatcheck/memory'

const sessions = createSessions({ store: memoryStore() })
const { token, id } = await sessions.create({ views: 1 })
console.log('views', await sessions.increment(token, 'views'))

// What is loaded only when it is asked for is in the bundle, or beside it.
const { active } = await sessions.stats()
const ended = new Promise((resolve) => sessions.watch(id, resolve).then(() => sessions.revokeEveryone()))
console.log('of', active, (await ended).cause)
