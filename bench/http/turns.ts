import { setTimeout as pause } from 'node:timers/promises'
import { shuffled } from '../numbers.ts'
import { redisCpu } from '../redis-usage.ts'
import type { RedisClient } from './application.ts'
import { CONNECTIONS, type Load, load } from './load.ts'
import type { Sample } from './measure.ts'
import type { Subject } from './subject.ts'
import type { Operation } from './variants.ts'

/** Milliseconds, but for `rounds` and `turns`. */
export interface Turns {
  readonly warmUp: number
  readonly rounds: number
  /** How many turns each has in a round. */
  readonly turns: number
  readonly turn: number
}

/** What is measured beside others, each with cookies of its own. */
export interface Entrant {
  readonly name: string
  readonly subject: Subject
  readonly cookies: readonly string[]
}

export interface Finding {
  /** One for each round. */
  readonly samples: readonly Sample[]
  /** The cookies that the answers have set. */
  readonly cookies: readonly string[]
}

/** How many turns one may take in one go until it has answered anything. */
const PATIENCE = 40

/**
 * Measures one operation on several applications that take turns: while one answers, all others are stopped (`SIGSTOP`), with
 * their requests waiting. On a machine that others use too, a core is now fast and now slow, for about a second each time: what
 * takes turns of a twentieth of that meets the same, and a ratio within a round says more than one of two seconds far apart.
 */
export async function measureInTurns(
  plan: Turns,
  entrants: readonly Entrant[],
  redis: RedisClient,
  operation: Operation,
): Promise<Map<string, Finding>> {
  for (const { subject } of entrants) subject.halt()
  const rest = stayAwake()
  const racers = entrants.map((entrant) => new Racer(entrant, operation, redis))
  try {
    // In turns, too: servers close a connection on which nothing has come for some seconds.
    await takeTurns(racers, Math.ceil(plan.warmUp / plan.turn), plan.turn)
    for (let round = 0; round < plan.rounds; round++) {
      for (const racer of racers) await racer.begin()
      await takeTurns(racers, plan.turns, plan.turn)
      for (const racer of racers) await racer.finish()
    }
    return new Map(racers.map(({ name, finding }) => [name, finding]))
  } finally {
    rest()
    for (const { subject } of entrants) subject.goOn()
    for (const racer of racers) await racer.stop()
  }
}

/**
 * Keeps this process, which sends the requests, from ever going to sleep. Else whoever answers one pays for waking it, and the more
 * often the slower it answers: to wake a core took a quarter of what seemed to be the cost of sessions. Between machines the
 * network's card wakes the other side.
 * @returns lets it sleep again
 */
function stayAwake(): () => void {
  let isAwake = true
  const turn = () => {
    if (isAwake) setImmediate(turn)
  }
  turn()
  return () => {
    isAwake = false
  }
}

async function takeTurns(racers: readonly Racer[], turns: number, ms: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) for (const racer of shuffled(racers)) await racer.turn(ms)
}

/** One of those that take turns. */
class Racer {
  readonly name: string
  readonly #subject: Subject
  readonly #requests: Load
  readonly #redis: RedisClient
  readonly #samples: Sample[] = []
  #before = { answered: 0, cpu: 0 }
  /** What its turns of this round took, in milliseconds and in microseconds of the processor. */
  #elapsed = 0
  #redisCpu = 0

  constructor({ name, subject, cookies }: Entrant, operation: Operation, redis: RedisClient) {
    this.name = name
    this.#subject = subject
    this.#redis = redis
    this.#requests = load(subject.port, operation, cookies)
  }

  get finding(): Finding {
    return { samples: this.#samples, cookies: this.#requests.cookies }
  }

  async begin(): Promise<void> {
    this.#before = await this.#clocks()
    this.#elapsed = 0
    this.#redisCpu = 0
  }

  /** Answers requests for so many milliseconds, as the only one. */
  async turn(ms: number): Promise<void> {
    const answered = this.#requests.answered
    const redisCpuBefore = await redisCpu(this.#redis)
    const began = performance.now()
    this.#subject.goOn()
    await pause(ms)
    for (let more = 0; more < PATIENCE && this.#requests.answered < answered + CONNECTIONS; more++) await pause(ms)
    this.#subject.halt()
    this.#elapsed += performance.now() - began
    this.#redisCpu += (await redisCpu(this.#redis)) - redisCpuBefore
  }

  async finish(): Promise<void> {
    const after = await this.#clocks()
    const { fault } = this.#requests
    if (fault !== null) throw new Error(`The run is void: ${fault} (${this.name}).`)
    const requests = after.answered - this.#before.answered
    if (requests === 0) throw new Error(`The run is void: ${this.name} has answered nothing.`)
    this.#samples.push({
      requests,
      perSecond: requests / (this.#elapsed / 1000),
      nodeCpu: (after.cpu - this.#before.cpu) / requests,
      redisCpu: this.#redisCpu / requests,
    })
  }

  async stop(): Promise<void> {
    await this.#requests.stop()
  }

  /** The application has to run to say what it has used: what it answers meanwhile counts, and so does the time. */
  async #clocks(): Promise<{ answered: number; cpu: number }> {
    const began = performance.now()
    this.#subject.goOn()
    const cpu = await this.#subject.cpu()
    this.#subject.halt()
    this.#elapsed += performance.now() - began
    return { answered: this.#requests.answered, cpu }
  }
}
