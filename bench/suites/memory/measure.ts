import { tags } from '../../../src/core/tags.ts'
import { tagOfUser } from '../../../src/core/token.ts'
import { Keys } from '../../../src/redis/keys.ts'
import { type RedisClient, startRedis } from '../../../test/support/redis-server.ts'
import { fill, fillConnectRedis } from '../../support/population.ts'
import { usedMemory } from '../../support/used-memory.ts'
import type { Case } from './cases.ts'

/** Bytes a session, by what they are for. `since` is there only after a log-out-everywhere. */
export interface Parts {
  readonly hash: number
  readonly user: number
  /** `guests` and `members`: a session stands in one of them. */
  readonly classes: number
  /** With monitoring. */
  readonly users: number
  /** With monitoring. */
  readonly seen: number
}

/**
 * Fills a server of its own with sessions, then deletes them part by part, and looks each time at `used_memory`: so nothing is
 * estimated, and what Redis itself needs for a key is in the numbers.
 */
export async function partsOf({ population, args }: Case, count: number): Promise<Parts> {
  const server = await startRedis({ args })
  try {
    const client = await server.connect()
    const empty = await usedMemory(client)
    await fill(client, count, population)
    const keys = new Keys('session:')
    const users = Array.from({ length: Math.ceil(count / population.sessionsPerUser) }, (_, n) => population.userId(n))
    const step = async (names: readonly string[]) => {
      const before = await usedMemory(client)
      await deleteAll(client, names)
      return (before - (await usedMemory(client))) / count
    }
    const seen = await step(tags.map((tag) => keys.seen(tag)))
    const ofUsers = await step(tags.map((tag) => keys.users(tag)))
    const classes = await step(tags.flatMap((tag) => [keys.guests(tag), keys.members(tag)]))
    const user = await step(users.map((id) => keys.user(tagOfUser(id), id)))
    return { hash: ((await usedMemory(client)) - empty) / count, user, classes, users: ofUsers, seen }
  } finally {
    await server.stop()
  }
}

/** Bytes a session of connect-redis. */
export async function connectRedisBytes({ population }: Case, count: number): Promise<number> {
  const server = await startRedis()
  try {
    const client = await server.connect()
    const empty = await usedMemory(client)
    await fillConnectRedis(client, count, population)
    return ((await usedMemory(client)) - empty) / count
  } finally {
    await server.stop()
  }
}

/** Bytes of the key that says when a user was last logged out everywhere, for ten minutes. */
export async function sinceBytes(count: number): Promise<number> {
  const server = await startRedis()
  try {
    const client = await server.connect()
    const empty = await usedMemory(client)
    const keys = new Keys('session:')
    const key = (n: number) => keys.since(tagOfUser(`u${n}`), `u${String(n).padStart(11, '0')}`)
    for (let i = 0; i < count; i += 1000) {
      await Promise.all(
        Array.from({ length: 1000 }, (_, j) =>
          client.set(key(i + j), '1795279674183.123', { expiration: { type: 'PX', value: 600_000 } }),
        ),
      )
    }
    return ((await usedMemory(client)) - empty) / count
  } finally {
    await server.stop()
  }
}

async function deleteAll(client: RedisClient, names: readonly string[]): Promise<void> {
  for (let i = 0; i < names.length; i += 1000) await client.del(names.slice(i, i + 1000))
}
