import { availableParallelism } from 'node:os'
import { startRedis } from '../../test/support/redis-server.ts'
import type { RedisClient } from '../http/application.ts'
import { commandsOf } from '../http/commands.ts'
import { measureOnce, type Sample } from '../http/measure.ts'
import { reportHttp } from '../http/report.ts'
import { start } from '../http/subject.ts'
import { type Entrant, measureInTurns, type Turns } from '../http/turns.ts'
import { type Operation, VARIANTS, type Variant } from '../http/variants.ts'
import { bind, canPin } from '../machine.ts'
import { shuffled } from '../numbers.ts'
import type { Suite } from '../suite.ts'

/** What the HTTP measurements found. */
export interface HttpResult {
  readonly rounds: number
  /** How often each application was started anew, for as many of the rounds each. */
  readonly starts: number
  readonly sessions: number
  /** For how long each is measured in a round, and in one turn. */
  readonly seconds: number
  readonly turn: number
  /** Whether the application had a core of its own. */
  readonly pinned: boolean
  /** By variant, then operation: one for each round. */
  readonly samples: Readonly<Record<string, Partial<Record<Operation, readonly Sample[]>>>>
  /** By variant, then operation: commands that a request sends to Redis. */
  readonly commands: Readonly<Record<string, Partial<Record<Operation, number>>>>
}

type Samples = Record<string, Partial<Record<Operation, readonly Sample[]>>>
type Commands = Record<string, Partial<Record<Operation, number>>>

const SIZES = {
  quick: { sessions: 640, starts: 1, rounds: 1, turns: 3, turn: 50, warmUp: 100 },
  // What V8 makes of the same code differs from one process to the next by some percent: so none is measured in one process alone.
  full: { sessions: 10_000, starts: 5, rounds: 3, turns: 10, turn: 50, warmUp: 1500 },
}

const http: Suite<HttpResult> = {
  name: 'http',
  async run(size, say) {
    const plan = SIZES[size]
    const pinned = canPin()
    const redis = await startRedis()
    const last = availableParallelism() - 1
    if (pinned) for (const pid of [redis.pid, process.pid]) bind(pid, `1-${last}`)
    const samples: Samples = {}
    const commands: Commands = {}
    try {
      const admin = await redis.connect()
      for (const file of new Set(VARIANTS.map(({ file }) => file))) {
        const variants = VARIANTS.filter((variant) => variant.file === file)
        for (let started = 0; started < plan.starts; started++) {
          await admin.flushAll()
          const setting = { plan, core: pinned ? 0 : null, redis: admin, redisUrl: redis.url, say }
          const found = await (await Heat.of(variants, setting)).run()
          for (const [name, more] of Object.entries(found.samples)) samples[name] = merged(samples[name], more)
          Object.assign(commands, found.commands)
        }
      }
    } finally {
      if (pinned) bind(process.pid, `0-${last}`)
      await redis.stop()
    }
    const { rounds, starts, sessions, turns, turn } = plan
    return {
      rounds: starts * rounds,
      starts,
      sessions,
      seconds: (turns * turn) / 1000,
      turn,
      pinned,
      samples,
      commands,
    }
  },
  report: reportHttp,
}

export default http

type ByOperation = Partial<Record<Operation, readonly Sample[]>>

function merged(before: ByOperation = {}, more: ByOperation): ByOperation {
  const all: ByOperation = { ...before }
  for (const [operation, samples] of Object.entries(more) as [Operation, readonly Sample[]][]) {
    all[operation] = [...(before[operation] ?? []), ...samples]
  }
  return all
}

interface Setting {
  readonly plan: Turns & { readonly sessions: number }
  readonly core: number | null
  readonly redis: RedisClient
  readonly redisUrl: string
  readonly say: (line: string) => void
}

type Runner = Omit<Entrant, 'cookies'> & { readonly variant: Variant; readonly database: number }

/** The applications on one framework, each a process with a database of its own, measured side by side. */
class Heat {
  readonly #runners: readonly Runner[]
  readonly #setting: Setting
  readonly #samples: Samples = {}

  private constructor(runners: readonly Runner[], setting: Setting) {
    this.#runners = runners
    this.#setting = setting
  }

  static async of(variants: readonly Variant[], setting: Setting): Promise<Heat> {
    const runners: Runner[] = []
    for (const [database, variant] of variants.entries()) {
      const subject = await start(variant, `${setting.redisUrl}/${database}`, setting.core)
      runners.push({ name: variant.name, subject, variant, database })
    }
    return new Heat(runners, setting)
  }

  async run(): Promise<{ samples: Samples; commands: Commands }> {
    const commands: Commands = {}
    try {
      for (const { name, subject, variant, database } of this.#runners) {
        commands[name] = await commandsOf(subject, variant.operations, this.#setting.redis, database)
      }
      // With sessions of their own, that have just begun: no touch is due.
      for (const operation of ['read', 'write'] as const) await this.#measure(operation, await this.#logIn(operation))
      await this.#measure('visitor', this.#those('visitor', []))
      await this.#logOut(await this.#measure('login', this.#those('login', [])))
      return { samples: this.#samples, commands }
    } finally {
      for (const { subject } of this.#runners) await subject.stop()
    }
  }

  async #measure(operation: Operation, entrants: readonly Entrant[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { plan, redis, say } = this.#setting
    if (entrants.length === 0) return new Map()
    say(`http: ${operation}, ${entrants.map(({ name }) => name).join(', ')}`)
    const found = await measureInTurns(plan, entrants, redis, operation)
    for (const [name, { samples }] of found) this.#keep(name, operation, samples)
    return new Map([...found].map(([name, { cookies }]) => [name, cookies]))
  }

  async #logIn(operation: Operation): Promise<Entrant[]> {
    const { plan, redis } = this.#setting
    const entrants: Entrant[] = []
    for (const entrant of this.#those(operation, [])) {
      const { cookies } = await measureOnce(entrant.subject, redis, 'login', [], plan.sessions)
      if (cookies.length !== plan.sessions) throw new Error('The run is void: a login set no cookie.')
      entrants.push({ ...entrant, cookies })
    }
    return entrants
  }

  /** What has been logged in is logged out, a part of it in each round. */
  async #logOut(cookies: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const { plan, redis } = this.#setting
    const found = new Map<string, Sample[]>()
    for (let round = 0; round < plan.rounds; round++) {
      for (const { name, subject } of shuffled(this.#those('logout', []))) {
        const part = (cookies.get(name) ?? []).filter((_, i) => i % plan.rounds === round)
        const { requests, perSecond, nodeCpu, redisCpu } = await measureOnce(subject, redis, 'logout', part)
        found.set(name, [...(found.get(name) ?? []), { requests, perSecond, nodeCpu, redisCpu }])
      }
    }
    for (const [name, samples] of found) this.#keep(name, 'logout', samples)
  }

  #those(operation: Operation, cookies: readonly string[]): Entrant[] {
    const able = this.#runners.filter(({ variant }) => variant.operations.includes(operation))
    return able.map(({ name, subject }) => ({ name, subject, cookies }))
  }

  #keep(name: string, operation: Operation, samples: readonly Sample[]): void {
    this.#samples[name] = { ...this.#samples[name], [operation]: samples }
  }
}
