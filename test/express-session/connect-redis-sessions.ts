import { randomUUID } from 'node:crypto'
import { RedisStore as ConnectRedisStore } from 'connect-redis'
import session, { type SessionData } from 'express-session'
import { idOfSid } from '../../src/adapters/express-session/sid.ts'
import { CoatcheckStore, type CoatcheckStoreOptions } from '../../src/express-session.ts'
import { keysOf } from '../redis/support.ts'
import type { RedisClient } from '../support/redis-server.ts'

/** Sessions under prefixes of their own: those of connect-redis, written by itself, and ours. */
export class Sessions {
  readonly from: string
  readonly prefix: string = `${randomUUID()}:`
  readonly #client: RedisClient

  constructor(client: RedisClient, from = `${randomUUID()}-sess:`) {
    this.#client = client
    this.from = from
  }

  theirs(options: object = {}): ConnectRedisStore {
    return new ConnectRedisStore({ client: this.#client, prefix: this.from, ...options })
  }

  ours(options: Partial<CoatcheckStoreOptions> = {}): CoatcheckStore {
    const { from, prefix } = this
    return new CoatcheckStore({ client: this.#client, prefix, migrate: { from }, storeTimeout: '1m', ...options })
  }

  /** Has connect-redis keep a session. */
  async keep(
    data: object,
    { maxAge, ...options }: { maxAge?: number; ttl?: number | (() => number); disableTTL?: boolean } = {},
  ) {
    const sid = randomUUID()
    const cookie = cookieOf(maxAge)
    await this.theirs(options).set(sid, { cookie, ...data } as unknown as SessionData)
    return sid
  }

  oldKey(sid: string): string {
    return this.from + sid
  }

  /** Whichever of these keys there are expire so soon, as if nobody had come with the session for long. */
  async expireIn(ms: number, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      if ((await this.#client.pExpire(key, ms)) === 0 || (await this.#client.type(key)) !== 'hash') continue
      const idleTimeout = Number(await this.#client.hGet(key, 'session_ttl')) * 1000
      await this.#client.hSet(key, 'last_accessed_at', String(Math.round(Date.now() + ms - idleTimeout)))
    }
  }

  /** How long the last of these keys lives, in milliseconds. */
  async longest(keys: readonly string[]): Promise<number> {
    return Math.max(...(await Promise.all(keys.map((key) => this.#client.pTTL(key)))))
  }

  newKey(sid: string): string {
    return keysOf(this.prefix, idOfSid(sid)).session
  }
}

/** Of a session, what the application has put there. */
export function dataOf(found: SessionData | null | undefined): Record<string, unknown> | null {
  if (found == null) return null
  const { cookie: _, ...data } = found
  return { ...data }
}

/** As express-session makes it. */
export function cookieOf(maxAge?: number): SessionData['cookie'] {
  const cookie = new session.Cookie()
  if (maxAge !== undefined) cookie.maxAge = maxAge
  return cookie
}
