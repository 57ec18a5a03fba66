import { withDeadline } from '../core/deadline.ts'
import { warnOnce } from '../core/warn.ts'
import type { Server } from './clients/connection.ts'
import { type RedisClock, toInstant } from './clock.ts'

const PROBE_TIMEOUT = 5000

/**
 * What is asked of a server once per connection: its time (so that the first reads know whether a touch is due), and whether
 * it may evict keys. Eviction takes index entries out one by one: then a user's list and "log out everywhere" miss sessions.
 */
export async function probe(server: Server, clock: RedisClock): Promise<void> {
  try {
    const info = await withDeadline(PROBE_TIMEOUT, 'probe', async (call) => {
      const sentAt = performance.now()
      clock.heard(toInstant(await server.send(['TIME'], call)), sentAt)
      return server.send(['INFO', 'memory'], call)
    })
    const policy = /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1]
    if (policy !== undefined && policy !== 'noeviction') {
      warnOnce(
        'COATCHECK_EVICTION',
        `Redis has maxmemory-policy ${policy}: under memory pressure it drops sessions and index entries. Set it to noeviction.`,
      )
    }
  } catch {
    // A server that does not answer, or a user without the right to INFO: the first request says what is wrong.
  }
}
