import { withDeadline } from '../core/deadline.ts'
import type { StoreCall } from '../core/store.ts'
import { warnOnce } from '../core/warn.ts'
import { evictionWarning } from './check/memory.ts'
import { askRights, rightsFindings } from './check/rights.ts'
import type { Server } from './clients/connection.ts'
import { type RedisClock, toInstant } from './clock.ts'
import type { Keys } from './keys.ts'

const PROBE_TIMEOUT = 5000

/**
 * What is asked of a server once per connection, in one turn: its time (so that the first reads know whether a touch is due),
 * whether it may evict keys, and whether this user may do all that sessions need. `sessions.check()` asks for more.
 */
export async function probe(server: Server, clock: RedisClock, keys: Keys): Promise<void> {
  await withDeadline(PROBE_TIMEOUT, 'probe', (call) =>
    // A server that does not answer: the first request says what is wrong.
    Promise.allSettled([
      hearTime(server, clock, call),
      warnOfEviction(server, call),
      warnOfRights(server, keys, call), // guard: missing rights
    ]),
  ).catch(() => undefined)
}

async function hearTime(server: Server, clock: RedisClock, call: StoreCall): Promise<void> {
  const sentAt = performance.now()
  clock.heard(toInstant(await server.send(['TIME'], call)), sentAt)
}

async function warnOfEviction(server: Server, call: StoreCall): Promise<void> {
  const info = await server.send(['INFO', 'memory'], call)
  const policy = /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1]
  if (policy !== undefined && policy !== 'noeviction') warnOnce('COATCHECK_EVICTION', evictionWarning(policy))
}

/** Not of those that sessions go on without: somebody may have left them out on purpose. */
async function warnOfRights(server: Server, keys: Keys, call: StoreCall): Promise<void> {
  const missing = rightsFindings(await askRights(server, keys, call)).find(({ level }) => level === 'error')
  if (missing) warnOnce('COATCHECK_ACL', missing.message)
}
