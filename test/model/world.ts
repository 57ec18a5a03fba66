import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createSessions, type SessionEvent } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { type NodeRedisClient, redisStore } from '../../src/redis.ts'
import type { RedisClient } from '../support/redis-server.ts'
import { assertHeld } from './consistency.ts'
import type { Model } from './model.ts'
import {
  type Handle,
  type InTime,
  type Operations,
  type Outcome,
  outcomeOf,
  type Rules,
  type Told,
} from './operations.ts'
import { travel, withClock } from './time-travel.ts'
import { VisitSide } from './visits.ts'

const CHANNEL = 'coatcheck:session'
const UNTIMED = [
  scripts.seal,
  scripts.release,
  scripts.destroy,
  scripts.follow,
  scripts.revoke_user,
  scripts.roles_user,
]

/** One operation, done on any of the three. */
export type Act = (on: Operations | InTime<Operations>) => unknown

/**
 * A Redis store and a memory store on which the same is done as on a model. All three live in one time: that of Redis, and
 * what has been travelled since. A script says when it ran, and that instant is the step's for the other two, so that what
 * they say can be compared to the millisecond.
 */
export class World {
  readonly #client: RedisClient
  readonly #prefix = `${randomUUID()}:`
  readonly #redis: VisitSide
  readonly #memory: VisitSide
  #travelled = 0
  /** Redis's clock as it was last told, or when the scripts of the last step ran. */
  #redisTime = 0
  /** When the scripts of this step ran, by Redis's clock. */
  #ranAt: number | null = null
  #now = 0
  /** What is to be done before the next script runs. */
  #inBetween: (() => Promise<void>) | null = null
  /** When the steps began, by this process's clock, and when that is in the model's time. */
  readonly #steps: { readonly began: number; readonly now: number }[] = []

  constructor(client: RedisClient, rules: Rules) {
    this.#client = client
    // A busy machine is not the subject here.
    const options = { ...rules, storeTimeout: 60_000 }
    const redis = redisStore(this.#listening(client), { prefix: this.#prefix, monitoring: rules.monitoring })
    const memory = withClock(memoryStore(), (instant) => this.#timeOf(instant))
    this.#redis = new VisitSide(
      createSessions({ ...options, store: redis }),
      () => this.#travelled,
      async (deed) => {
        this.#inBetween = deed
      },
    )
    this.#memory = new VisitSide(createSessions({ ...options, store: memory }))
  }

  /** Does one thing on all three, and fails where they disagree, then or in what they hold afterwards. */
  async step(model: Model, name: keyof Operations, act: Act): Promise<void> {
    const before = await this.#nextMillisecond()
    this.#ranAt = null
    const [redis, redisTold] = await this.#heard(this.#redis, act)
    this.#redisTime = this.#ranAt ?? before
    model.now = this.#now = this.#redisTime + this.#travelled
    const expected = await outcomeOf(() => act(model))
    const told = sorted(model.takeTold())
    this.#steps.push({ began: performance.now(), now: this.#now })
    const [memory, memoryTold] = await this.#heard(this.#memory, act)
    assert.deepEqual({ memory }, { memory: expected })
    assert.deepEqual({ memory: memoryTold }, { memory: told })
    assert.deepEqual({ redis: redisTold }, { redis: told })
    // Redis was asked for a time left somewhat later than the model.
    const late = name === 'timeToLive' && (await this.#isLate(redis, expected))
    assert.deepEqual({ redis: late ? expected : redis }, { redis: expected })
    await this.check(model)
  }

  /** Lets time pass. */
  async travel(model: Model, ms: number): Promise<void> {
    model.dropVisits()
    await travel(this.#client, this.#prefix, ms)
    this.#travelled += ms
    model.now = this.#now = (await this.#redisNow()) + this.#travelled
    await this.check(model)
  }

  /** Compares everything that can be seen without changing it. */
  async check(model: Model): Promise<void> {
    const seen = async (by: Operations | InTime<Operations>, handles: Handle[]) =>
      new Map(await Promise.all(handles.map(async (handle) => [handle, await by.peek(handle)] as const)))
    const all = model.handles()
    assert.deepEqual({ memory: await seen(this.#memory, all) }, { memory: await seen(model, all) })
    assert.deepEqual({ memory: await this.#memory.count() }, { memory: model.count() })
    const handleOf = (id: string) => this.#redis.handleOf(id)
    // There is nothing else to read, which is looked at as well.
    const stored = [...model.stored().keys()]
    const [redis, expected] = await Promise.all([
      seen(this.#redis, stored),
      seen(model, stored),
      assertHeld(this.#client, this.#prefix, model, { travelled: this.#travelled, handleOf }),
    ])
    assert.deepEqual({ redis }, { redis: expected })
  }

  /** Removes every key. */
  async end(): Promise<void> {
    const keys = await this.#client.keys(`${this.#prefix}*`)
    if (keys.length > 0) await this.#client.del(keys)
  }

  /** The client, heard out for when scripts run. */
  #listening(client: RedisClient): NodeRedisClient {
    const world = this
    return {
      get isReady() {
        return client.isReady
      },
      async sendCommand(words, options) {
        if (words[0] === 'EVALSHA') await world.#doInBetween()
        const reply = await client.sendCommand(words, options)
        if (isTimed(words) && Array.isArray(reply) && reply[0] === 'ok') world.#ranAt = Number(reply[1])
        return reply
      },
      // The connection outlives this world, and lasts.
      duplicate: () => client.duplicate(),
      on: nothing,
      off: nothing,
      listenerCount: () => 1,
    }
  }

  async #doInBetween(): Promise<void> {
    const deed = this.#inBetween
    this.#inBetween = null
    await deed?.()
  }

  /** What became of an operation on one store, and what was told of it. */
  async #heard(side: VisitSide, act: Act): Promise<[Outcome, Told[]]> {
    const events: SessionEvent[] = []
    const listener = (event: unknown) => events.push(event as SessionEvent)
    subscribe(CHANNEL, listener)
    const outcome = await outcomeOf(() => act(side)).finally(() => unsubscribe(CHANNEL, listener))
    return [outcome, sorted(events.map((event) => side.told(event)))]
  }

  /** The model's time now, or at an instant of this process's clock. */
  #timeOf(instant?: number): number {
    if (instant === undefined) return this.#now
    return this.#steps.findLast(({ began }) => began <= instant)?.now ?? this.#now
  }

  /** Whether a time left is what was expected less what has passed since the step. */
  async #isLate(actual: Outcome, expected: Outcome): Promise<boolean> {
    const [left, most] = [actual, expected].map((outcome) => 'returned' in outcome && outcome.returned)
    if (typeof left !== 'number' || typeof most !== 'number') return false
    const since = this.#redisTime
    return left <= most && left >= most - ((await this.#redisNow()) - since)
  }

  async #redisNow(): Promise<number> {
    const [seconds, micros] = (await this.#client.sendCommand(['TIME'])) as unknown as [string, string]
    this.#redisTime = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
    return this.#redisTime
  }

  /** No two steps happen in the same millisecond: what came first would be anybody's guess. */
  async #nextMillisecond(): Promise<number> {
    const last = this.#redisTime
    while ((await this.#redisNow()) <= last);
    return this.#redisTime
  }
}

/** Every operation has at most one instant that is kept: a login seals and releases the session before at others. */
function isTimed([by, script]: readonly string[]): boolean {
  return by?.startsWith('EVAL') === true && !UNTIMED.some(({ sha1, source }) => script === sha1 || script === source)
}

function sorted(told: readonly Told[]): Told[] {
  return [...told].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

function nothing(): void {}
