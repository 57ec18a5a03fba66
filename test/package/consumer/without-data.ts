import { createSessions } from 'coatcheck'
import { memoryStore } from 'coatcheck/memory'

const sessions = createSessions({ store: memoryStore() })
const { token } = await sessions.create({ anything: [1, 2, 3] })
const session = await sessions.load(token)
const anything: unknown = session?.data.anything
// @ts-expect-error Without a type, a value is unknown.
const wrong: string = session?.data.anything
console.log(anything, wrong)
