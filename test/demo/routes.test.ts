import { commands } from './contract/commands.ts'
import { loginRoute } from './contract/login.ts'
import { page } from './contract/page.ts'
import { refusals } from './contract/refusals.ts'
import { sessionRoutes } from './contract/session.ts'
import { ttls } from './contract/ttl.ts'
import { onMemory, onRedis } from './stage.ts'

const suites = [page, loginRoute, sessionRoutes, ttls, commands, refusals]
onRedis('the demo', suites)
onMemory('the demo', suites)
