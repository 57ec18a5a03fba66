import { createSessions } from 'coatcheck'
import { memoryStore } from 'coatcheck/memory'

const sessions = createSessions({ store: memoryStore() })
const { token } = await sessions.create({ views: 1 })
console.log('views', await sessions.increment(token, 'views'))
