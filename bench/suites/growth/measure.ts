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
 * Times operations on all servers: in each round all of them, each a few times on each server, whichever is first, so that what
 * disturbs the machine disturbs all servers, and no operation alone.
 */
export async function timeOn(
  servers: readonly Filled[],
  operations: readonly Operation[],
  rounds: number,
  repetitions: number,
): Promise<Measured[]> {
  const measured = operations.map(() => ({
    latency: servers.map((): number[] => []),
    cpu: servers.map((): number[] => []),
  }))
  // The first is to learn scripts and compile what is called.
  for (let round = -1; round < rounds; round++) {
    for (const [at, operation] of operations.entries()) {
      for (const i of shuffled(servers.map((_, i) => i))) {
        const { latency, cpu } = await once(servers[i] as Filled, operation, repetitions)
        if (round < 0) continue
        measured[at]?.latency[i]?.push(latency)
        measured[at]?.cpu[i]?.push(cpu)
      }
    }
  }
  return measured
}

async function once(
  server: Filled,
  operation: Operation,
  repetitions: number,
): Promise<{ latency: number; cpu: number }> {
  const count = Math.max(1, Math.round(repetitions * operation.share))
  const calls = []
  for (let n = 0; n < count; n++) calls.push(await operation.prepare(server))
  const before = await redisCpu(server.client)
  const times = []
  for (const call of calls) {
    const start = performance.now()
    await call()
    times.push((performance.now() - start) * 1000)
  }
  return { latency: median(times), cpu: ((await redisCpu(server.client)) - before) / count }
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
