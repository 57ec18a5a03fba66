import { randomBytes } from 'node:crypto'
import { RedisStore as ConnectRedisStore } from 'connect-redis'
import session, { type SessionData } from 'express-session'
import type { Token } from '../../src/core/token.ts'
import { createSessions } from '../../src/index.ts'
import { type RedisStoreOptions, redisStore } from '../../src/redis.ts'
import type { RedisClient } from '../../test/support/redis-server.ts'

// Many sessions in a server, put there by what an application calls, so that they are what an application's would be.

/** How many are under way at once. */
const AT_ONCE = 512

/** Long enough that none expires while the others are put there, on however busy a machine. */
export const IDLE_TIMEOUT: number = 4 * 60 * 60 * 1000

/** Whose sessions they are, and what they hold. */
export interface Population {
  readonly sessionsPerUser: number
  readonly userId: (user: number) => string
  readonly data: Readonly<Record<string, string | number>>
}

/** A user id of 12 bytes, as a database counts them up. */
export function shortUserId(user: number): string {
  return `u${String(user).padStart(11, '0')}`
}

/** A user id in the form of a UUID. */
export function longUserId(user: number): string {
  const hex = (user * 2_654_435_761).toString(16).padStart(32, '0')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

export const ROLES: readonly string[] = ['editor']
export const DEVICE = 'Chrome on macOS'

/** What most of the sessions here are: three to a user, with two fields of the application's. */
export const TYPICAL: Population = {
  sessionsPerUser: 3,
  userId: shortUserId,
  data: { username: 'andrew', page_views: 3 },
}

/** A session that was put there. */
export interface Inhabitant {
  readonly token: Token
  readonly userId: string
}

/**
 * Begins `count` sessions by `sessions.create()`, each with a user, a role and a device.
 * @param each told of each of them
 */
export async function fill(
  client: Parameters<typeof redisStore>[0],
  count: number,
  { sessionsPerUser, userId, data }: Population,
  options: RedisStoreOptions = {},
  each?: (one: Inhabitant) => void,
): Promise<void> {
  // On a busy machine a second may be too short for 512 at once.
  const sessions = createSessions({ store: redisStore(client, options), storeTimeout: '1m', idleTimeout: IDLE_TIMEOUT })
  await manyTimes(count, async (n) => {
    const owner = userId(Math.floor(n / sessionsPerUser))
    const { token } = await sessions.create(data, { userId: owner, roles: ROLES, device: DEVICE })
    each?.({ token, userId: owner })
  })
  await sessions.close()
}

/** The same content in sessions of express-session, kept by connect-redis. */
export async function fillConnectRedis(
  client: RedisClient,
  count: number,
  { sessionsPerUser, userId, data }: Population,
): Promise<ConnectRedisStore> {
  const store = new ConnectRedisStore({ client })
  await manyTimes(count, async (n) => {
    const cookie = new session.Cookie()
    Object.assign(cookie, { maxAge: IDLE_TIMEOUT, secure: true, sameSite: 'lax' })
    const owner = userId(Math.floor(n / sessionsPerUser))
    const content = { cookie, userId: owner, roles: ROLES, device: DEVICE, ...data }
    // As express-session makes its ids.
    await store.set(randomBytes(24).toString('base64url'), content as unknown as SessionData)
  })
  return store
}

/** Calls `run` with 0 to `count` − 1, many at once. */
export async function manyTimes(
  count: number,
  run: (n: number) => Promise<void>,
  atOnce: number = AT_ONCE,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
}
