import { createSessions, SessionEndedError } from 'coatcheck'
import { memoryStore } from 'coatcheck/memory'

const sessions = createSessions({ store: memoryStore() })
const { token } = await sessions.create({ views: 1 }, { userId: 'u42' })
await sessions.user('u42').revokeAll()
await sessions.increment(token, 'views').catch((error) => console.log(error instanceof SessionEndedError, error.code))
