import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type NodeRedisClient, redisStore } from '../../src/redis.ts'
import type { RedisClient } from '../support/redis-server.ts'
import { assertHeld } from './consistency.ts'
import type { Model } from './model.ts'
import { type InTime, type Operations, type Outcome, outcomeOf, type Rules } from './operations.ts'
import { StoreSide } from './stores.ts'
import { travel, withClock } from './time-travel.ts'

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
  readonly #redis: StoreSide
  readonly #memory: StoreSide
  #travelled = 0
  /** Redis's clock as it was last told, or when the scripts of the last step ran. */
  #redisTime = 0
  /** When the scripts of this step ran, by Redis's clock. */
  #ranAt: number | null = null
  #now = 0

  constructor(client: RedisClient, rules: Rules) {
    this.#client = client
    // A busy machine is not the subject here.
    const options = { ...rules, storeTimeout: 60_000 }
    const redis = redisStore(this.#listening(client), { prefix: this.#prefix, monitoring: rules.monitoring })
    const memory = withClock(memoryStore(), () => this.#now)
    this.#redis = new StoreSide(createSessions({ ...options, store: redis }), () => this.#travelled)
    this.#memory = new StoreSide(createSessions({ ...options, store: memory }))
  }

  /** Does one thing on all three, and fails where they disagree, then or in what they hold afterwards. */
  async step(model: Model, name: keyof Operations, act: Act): Promise<void> {
    const before = await this.#nextMillisecond()
    this.#ranAt = null
    const redis = await outcomeOf(() => act(this.#redis))
    this.#redisTime = this.#ranAt ?? before
    model.now = this.#now = this.#redisTime + this.#travelled
    const expected = await outcomeOf(() => act(model))
    const memory = await outcomeOf(() => act(this.#memory))
    assert.deepEqual({ memory }, { memory: expected })
    // Redis was asked for a time left somewhat later than the model.
    const late = name === 'timeToLive' && (await this.#isLate(redis, expected))
    assert.deepEqual({ redis: late ? expected : redis }, { redis: expected })
    await this.check(model)
  }

  /** Lets time pass. */
  async travel(model: Model, ms: number): Promise<void> {
    await travel(this.#client, this.#prefix, ms)
    this.#travelled += ms
    model.now = this.#now = (await this.#redisNow()) + this.#travelled
    await this.check(model)
  }

  /** Compares everything that can be seen without changing it. */
  async check(model: Model): Promise<void> {
    const handles = model.handles()
    const seen = (by: Operations | InTime<Operations>) => Promise.all(handles.map((handle) => by.peek(handle)))
    const expected = await seen(model)
    assert.deepEqual({ memory: await seen(this.#memory) }, { memory: expected })
    assert.deepEqual({ memory: await this.#memory.count() }, { memory: model.count() })
    const handleOf = (id: string) => this.#redis.handleOf(id)
    const [redis] = await Promise.all([
      seen(this.#redis),
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
        const reply = await client.sendCommand(words, options)
        if (words[0]?.startsWith('EVAL') && Array.isArray(reply) && reply[0] === 'ok') world.#ranAt = Number(reply[1])
        return reply
      },
      // The connection outlives this world, and lasts.
      duplicate: () => client.duplicate(),
      on: nothing,
      off: nothing,
      listenerCount: () => 1,
    }
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

function nothing(): void {}
