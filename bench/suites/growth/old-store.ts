import type { RedisStore as ConnectRedisStore } from 'connect-redis'
import { startRedis } from '../../../test/support/redis-server.ts'
import { shuffled } from '../../numbers.ts'
import { fillConnectRedis, TYPICAL } from '../../support/population.ts'

/** What connect-redis can tell of all sessions: milliseconds in each round on each server. */
export interface OldStore {
  readonly length: readonly (readonly number[])[]
  readonly all: readonly (readonly number[])[]
}

/** Times `length()` and `all()` of connect-redis on servers of so many sessions. */
export async function timeOldStore(
  sizes: readonly number[],
  rounds: number,
  say: (line: string) => void,
): Promise<OldStore> {
  const servers: { store: ConnectRedisStore; stop(): Promise<void> }[] = []
  try {
    for (const size of sizes) {
      const server = await startRedis()
      servers.push({ store: await fillConnectRedis(await server.connect(), size, TYPICAL), stop: () => server.stop() })
      say(`${size} sessions of connect-redis are there`)
    }
    const times = { length: sizes.map((): number[] => []), all: sizes.map((): number[] => []) }
    for (let round = 0; round < rounds; round++) {
      for (const i of shuffled(sizes.map((_, i) => i))) {
        for (const name of ['length', 'all'] as const) {
          const start = performance.now()
          await servers[i]?.store[name]()
          times[name][i]?.push(performance.now() - start)
        }
      }
    }
    return times
  } finally {
    for (const { stop } of servers) await stop()
  }
}
