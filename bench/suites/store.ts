import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts'
import { type ByHand, compareByHand } from '../store/by-hand.ts'
import { serverLimit } from '../store/limit.ts'
import { reportStore } from '../store/report.ts'
import type { Order, StoreSample } from '../store/worker.ts'
import type { Suite } from '../suite.ts'

/** What the measurements below any web framework found. */
export interface StoreResult {
  readonly sessions: number
  /** By client, then round. */
  readonly samples: Readonly<Record<'node-redis' | 'ioredis', readonly (readonly StoreSample[])[]>>
  readonly byHand: ByHand
  /** Operations a second that the server's own benchmark gets, with one and with many connections. */
  readonly limits: readonly { readonly command: string; readonly connections: number; readonly perSecond: number }[]
}

const SIZES = {
  quick: { rounds: 1, sessions: 200, concurrencies: [64], ms: 60, byHand: { rounds: 3, operations: 2048 } },
  full: { rounds: 5, sessions: 5000, concurrencies: [1, 64, 512], ms: 1000, byHand: { rounds: 9, operations: 51_200 } },
}

const CLIENTS = ['node-redis', 'ioredis'] as const

const store: Suite<StoreResult> = {
  name: 'store',
  async run(size, say) {
    const { rounds, sessions, concurrencies, ms, byHand } = SIZES[size]
    const redis = await startRedis()
    const samples: Record<(typeof CLIENTS)[number], StoreSample[][]> = { 'node-redis': [], ioredis: [] }
    try {
      for (let round = 1; round <= rounds; round++) {
        for (const client of CLIENTS) {
          say(`store: round ${round} of ${rounds}, ${client}`)
          samples[client].push(await work({ url: redis.url, client, sessions, concurrencies, ms }))
        }
      }
      say('store: against commands by hand')
      const compared = await compareByHand(redis, { sessions, ...byHand })
      return {
        sessions,
        samples,
        byHand: compared,
        limits: limitsOf(redis, concurrencies, compared, byHand.operations),
      }
    } finally {
      await redis.stop()
    }
  },
  report: reportStore,
}

export default store

async function work(order: Order): Promise<StoreSample[]> {
  const worker = fork(join(import.meta.dirname, '../store/worker.ts'), [JSON.stringify(order)])
  const exited = once(worker, 'exit')
  const samples = new Promise<StoreSample[]>((resolve, reject) => {
    worker.on('message', (message) => resolve(message as StoreSample[]))
    worker.on('exit', () => reject(new Error('The run is void: a worker has ended by itself.')))
  })
  const found = await samples
  await exited
  return found
}

/** The sessions of the comparison are there still. */
function limitsOf(redis: RedisServer, concurrencies: readonly number[], { commands }: ByHand, requests: number) {
  return concurrencies.flatMap((connections) =>
    (['read', 'commit'] as const).flatMap((command) => {
      const perSecond = serverLimit(redis.port, connections, requests, commands[command])
      return perSecond === null ? [] : [{ command, connections, perSecond }]
    }),
  )
}
