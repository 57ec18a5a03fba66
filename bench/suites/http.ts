import { availableParallelism } from 'node:os'
import { startRedis } from '../../test/support/redis-server.ts'
import type { RedisClient } from '../http/application.ts'
import { commandsOf } from '../http/commands.ts'
import { type Measured, measureFor, measureOnce, type Sample } from '../http/measure.ts'
import { reportHttp } from '../http/report.ts'
import { start } from '../http/subject.ts'
import { type Operation, VARIANTS, type Variant } from '../http/variants.ts'
import { bind, canPin } from '../machine.ts'
import { shuffled } from '../numbers.ts'
import type { Suite } from '../suite.ts'

/** What the HTTP measurements found. */
export interface HttpResult {
  readonly rounds: number
  readonly sessions: number
  readonly seconds: number
  /** Whether the application had a core of its own. */
  readonly pinned: boolean
  /** By variant, then operation: one for each round. */
  readonly samples: Readonly<Record<string, Partial<Record<Operation, readonly Sample[]>>>>
  /** By variant, then operation: commands that a request sends to Redis. */
  readonly commands: Readonly<Record<string, Partial<Record<Operation, number>>>>
}

const SIZES = {
  quick: { rounds: 1, sessions: 640, warmUp: 200, measured: 300 },
  full: { rounds: 5, sessions: 10_000, warmUp: 1500, measured: 3000 },
}

type Plan = (typeof SIZES)['quick'] & { core: number | null }

const http: Suite<HttpResult> = {
  name: 'http',
  async run(size, say) {
    const plan: Plan = { ...SIZES[size], core: canPin() ? 0 : null }
    const redis = await startRedis()
    const last = availableParallelism() - 1
    if (plan.core !== null) for (const pid of [redis.pid, process.pid]) bind(pid, `1-${last}`)
    const samples: Record<string, Partial<Record<Operation, Sample[]>>> = {}
    const commands: Record<string, Partial<Record<Operation, number>>> = {}
    try {
      const admin = await redis.connect()
      for (const variant of VARIANTS) commands[variant.name] = await commandsOf(variant, redis.url, admin)
      for (let round = 1; round <= plan.rounds; round++) {
        for (const variant of shuffled(VARIANTS)) {
          say(`http: round ${round} of ${plan.rounds}, ${variant.title}`)
          const found = await measure(variant, redis.url, admin, plan)
          const before = samples[variant.name] ?? {}
          samples[variant.name] = before
          for (const [operation, sample] of found) before[operation] = [...(before[operation] ?? []), sample]
        }
      }
    } finally {
      if (plan.core !== null) bind(process.pid, `0-${last}`)
      await redis.stop()
    }
    const { rounds, sessions, measured, core } = plan
    return { rounds, sessions, seconds: measured / 1000, pinned: core !== null, samples, commands }
  },
  report: reportHttp,
}

export default http

/** Every operation on one application: a process of its own, on an empty server, with sessions that are all fresh. */
async function measure(
  variant: Variant,
  redisUrl: string,
  redis: RedisClient,
  plan: Plan,
): Promise<Map<Operation, Sample>> {
  await redis.flushAll()
  const subject = await start(variant, redisUrl, plan.core)
  const times = { warmUp: plan.warmUp, measured: plan.measured }
  const found = new Map<Operation, Sample>()
  const keep = (operation: Operation, { requests, perSecond, nodeCpu, redisCpu }: Measured) =>
    found.set(operation, { requests, perSecond, nodeCpu, redisCpu })
  try {
    const needsSessions = variant.operations.includes('read')
    const { cookies } = needsSessions
      ? await measureOnce(subject, redis, 'login', [], plan.sessions)
      : { cookies: [] as readonly string[] }
    if (needsSessions && cookies.length !== plan.sessions) throw new Error('The run is void: a login set no cookie.')
    for (const operation of ['visitor', 'read', 'write'] as const) {
      if (!variant.operations.includes(operation)) continue
      const own = operation === 'visitor' ? [] : cookies
      keep(operation, await measureFor(times, subject, redis, operation, own))
    }
    if (!variant.operations.includes('login')) return found
    // What has been logged in is logged out.
    const logins = await measureFor(times, subject, redis, 'login', [])
    keep('login', logins)
    keep('logout', await measureOnce(subject, redis, 'logout', logins.cookies))
    return found
  } finally {
    await subject.stop()
  }
}
