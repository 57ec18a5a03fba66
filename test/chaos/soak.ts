import { setTimeout as pause } from 'node:timers/promises'
import type { Scope } from '../support/http.ts'
import { startRedis } from '../support/redis-server.ts'
import type { ChaosApp, RunningApp } from './apps.ts'
import { type Result, summaryOf, underLoad } from './under-load.ts'

export interface SoakOptions {
  readonly client: ChaosApp['client']
  readonly ms: number
  /** Whether to measure what the processes' memory grows by: a few minutes are needed to tell. */
  readonly memory: boolean
}

/**
 * How often connections are killed, in ms: all that the processes have to Redis, and one of HTTP. Seldom enough for a client to be
 * back in between.
 */
const KILL_REDIS_EVERY = 1500
const KILL_HTTP_EVERY = 150
const SAMPLES = 60
/**
 * What the heap after garbage collection may grow by, in MB: what a new user and new labels every few seconds leave in the JIT's
 * and the allocator's hands for a while, and what an hour of it would show as a leak.
 */
const HEAP = { once: 2, perHour: 10 }

/** All operations at once, while connections are killed at random. */
export async function soak(scope: Scope, { client, ms, memory }: SoakOptions): Promise<Result> {
  const redis = await startRedis()
  scope.after(() => redis.stop())
  const observer = await redis.connect()
  const kills = { redis: 0, http: 0 }
  const cuts: number[] = []
  const samples: Sample[][] = [[], []]
  const { violations, history } = await underLoad(scope, {
    app: { where: 'single', client, urls: [redis.url] },
    masters: async () => [observer],
    // A login has seven calls, each with a deadline of its own.
    patience: 7000,
    cuts,
    async chaos({ apps, load }) {
      const until = performance.now() + ms
      const again = async (every: number, what: () => Promise<unknown>) => {
        while (performance.now() < until) {
          await pause(every * (0.5 + Math.random()))
          await what()
        }
      }
      await Promise.all([
        again(KILL_REDIS_EVERY, async () => {
          cuts.push(performance.now())
          kills.redis += await observer.sendCommand<number>(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
        }),
        again(KILL_HTTP_EVERY, async () => {
          kills.http++
          if (Math.random() < 0.5) load.breakOne()
          else await apps[kills.http % 2]?.ask('breakOne')
        }),
        memory && again(ms / SAMPLES, () => Promise.all(apps.map((app, i) => sample(app, samples[i] ?? [])))),
      ])
    },
  })
  const grown = memory ? samples.map(growthOf) : []
  return {
    done: `${Math.round(ms / 1000)} s, 64 connections, ${client}; ${kills.redis} connections to Redis and ${kills.http} of HTTP killed`,
    measured: {
      ...summaryOf(history),
      ...Object.fromEntries(
        grown.flatMap((each, i) => Object.entries(each).map(([k, v]) => [`process ${i}, ${k}`, v])),
      ),
    },
    violations: [...violations, ...grown.flatMap(({ heap }, i) => leak(`process ${i}`, Number.parseFloat(heap), ms))],
  }
}

interface Sample {
  readonly at: number
  readonly heapUsed: number
  readonly rss: number
}

async function sample(app: RunningApp, samples: Sample[]): Promise<void> {
  samples.push({ at: performance.now(), ...(await app.ask('memory')) })
}

/** What memory grows by in an hour, after the first quarter of the time: until then code is compiled. */
function growthOf(samples: readonly Sample[]): { heap: string; 'resident memory': string } {
  const [first] = samples
  const settled = samples.slice(samples.length >> 2)
  const slope = (of: (sample: Sample) => number) => {
    const points = settled.map((each) => [(each.at - (first?.at ?? 0)) / 3_600_000, of(each) / 1e6] as const)
    return leastSquares(points).toFixed(1)
  }
  return { heap: `${slope((each) => each.heapUsed)} MB/h`, 'resident memory': `${slope((each) => each.rss)} MB/h` }
}

/** The slope of the line that fits best. */
function leastSquares(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (i: 0 | 1) => points.reduce((sum, point) => sum + point[i], 0) / points.length
  const [x0, y0] = [mean(0), mean(1)]
  const sum = (of: (x: number, y: number) => number) => points.reduce((all, [x, y]) => all + of(x - x0, y - y0), 0)
  return sum((x, y) => x * y) / sum((x) => x * x)
}

function leak(who: string, perHour: number, ms: number): string[] {
  const hours = ms / 3_600_000
  return perHour * hours <= HEAP.once + HEAP.perHour * hours ? [] : [`the heap of ${who} grows by ${perHour} MB/h`]
}
