// Measures every operation on one Redis client, in a process of its own. Argument: what to do, as JSON.

import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { RedisClient } from '../../src/redis.ts'
import { redisCpu } from '../redis-usage.ts'
import { operationsOn, STORE_OPERATIONS, type StoreOperation, worldOf } from './operations.ts'

/** What one worker is to do. */
export interface Order {
  readonly url: string
  readonly client: 'node-redis' | 'ioredis'
  readonly sessions: number
  readonly concurrencies: readonly number[]
  /** For how many milliseconds each operation is measured. */
  readonly ms: number
}

/** Microseconds of processor time an operation. */
export interface StoreSample {
  readonly operation: StoreOperation
  readonly concurrency: number
  readonly perSecond: number
  readonly clientCpu: number
  readonly redisCpu: number
}

/** At most so many times as there are sessions. */
const ENDING = new Set<StoreOperation>(['destroy', 'revokeAll'])
/** For these more would not be more of the same: a session keeps its tombstones, a user is limited. */
const LIMITED = new Set<StoreOperation>(['rotate', 'create', 'login'])

const order = JSON.parse(process.argv[2] ?? '') as Order
const admin: ReturnType<typeof createClient> = createClient({ url: order.url })
await admin.connect()
const { client, close } = await connected()

const samples: StoreSample[] = []
for (const concurrency of order.concurrencies) {
  for (const operation of STORE_OPERATIONS) samples.push(await measured(operation, concurrency))
}
process.send?.(samples)
close()
admin.destroy()

async function connected(): Promise<{ client: RedisClient; close: () => void }> {
  if (order.client === 'node-redis') {
    const client: ReturnType<typeof createClient> = createClient({ url: order.url })
    await client.connect()
    return { client, close: () => client.destroy() }
  }
  const client = new Redis(order.url, { autoResendUnfulfilledCommands: false })
  return { client, close: () => client.disconnect() }
}

async function measured(operation: StoreOperation, concurrency: number): Promise<StoreSample> {
  await admin.flushAll()
  const world = await worldOf(client, order.sessions)
  const run = operationsOn(world)[operation]
  const most = ENDING.has(operation) || LIMITED.has(operation) ? order.sessions : Number.POSITIVE_INFINITY
  // To be warm, without using up what there is.
  const warm = Math.min(order.sessions / 5, 1000)
  let n = 0
  const many = async (until: () => boolean) => {
    const worker = async () => {
      while (!until()) await run(n++)
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
  }
  await many(() => n >= warm)
  const [before, redisBefore, at, first] = [process.cpuUsage(), await redisCpu(admin), performance.now(), n]
  await many(() => n >= most || performance.now() - at > order.ms)
  const passed = performance.now() - at
  const { user, system } = process.cpuUsage(before)
  const redisAfter = await redisCpu(admin)
  const done = n - first
  await world.sessions.close()
  return {
    operation,
    concurrency,
    perSecond: done / (passed / 1000),
    clientCpu: (user + system) / done,
    redisCpu: (redisAfter - redisBefore) / done,
  }
}
