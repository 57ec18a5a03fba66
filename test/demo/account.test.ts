import { admin } from './account/admin.ts'
import { devices } from './account/devices.ts'
import { events } from './account/events.ts'
import { logins } from './account/login.ts'
import { page } from './account/page.ts'
import { onMemory, onRedis } from './stage.ts'

onRedis('the account pages', [page, logins, devices, events, admin])
// What these routes ask of a store is in the contract of the stores. Here only what a store is heard of, and what it counts.
onMemory('the account pages', [events, admin])
