import { median, shuffled } from '../../numbers.ts'
import { redisCpu } from '../../redis-usage.ts'
import { anyOf, CALL } from '../../support/calls.ts'
import type { Operation } from './operations.ts'
import type { Filled } from './servers.ts'

/** Of one operation, in each round on each server. */
export interface Measured {
  /** Microseconds from call to answer, the median of the round. */
  readonly latency: readonly (readonly number[])[]
  /** Microseconds of the server's processor. */
  readonly cpu: readonly (readonly number[])[]
}

/**
 * Times an operation on all servers: in each round a few times on each of them, whichever is first, so that what disturbs the
 * machine disturbs all of them.
 */
export async function timeOn(
  servers: readonly Filled[],
  operation: Operation,
  rounds: number,
  repetitions: number,
): Promise<Measured> {
  const measured = { latency: servers.map((): number[] => []), cpu: servers.map((): number[] => []) }
  // The first is to learn scripts and compile what is called.
  for (let round = -1; round < rounds; round++) {
    for (const i of shuffled(servers.map((_, i) => i))) {
      const server = servers[i] as Filled
      const calls = []
      for (let n = 0; n < repetitions; n++) calls.push(await operation.prepare(server))
      const before = await redisCpu(server.client)
      const times = []
      for (const call of calls) {
        const start = performance.now()
        await call()
        times.push((performance.now() - start) * 1000)
      }
      const used = (await redisCpu(server.client)) - before
      if (round < 0) continue
      measured.latency[i]?.push(median(times))
      measured.cpu[i]?.push(used / repetitions)
    }
  }
  return measured
}

/** Microseconds of a touch in which Redis moves the session in its sorted sets, by server. */
export async function timeOfMoves(servers: readonly Filled[], repetitions: number): Promise<number[]> {
  const times: number[] = []
  for (const { client, store, sessions } of servers) {
    await client.sendCommand(['CONFIG', 'RESETSTAT'])
    for (let n = 0; n < repetitions; n++) await store.touch(anyOf(sessions), 0, 0, CALL)
    times.push(Number(/cmdstat_zadd:calls=\d+,usec=(\d+)/.exec(await client.info('commandstats'))?.[1]) / repetitions)
  }
  return times
}
