/**
 * A store for express-session that loses no updates and revives no session.
 *
 * @module coatcheck/express-session
 */

import { type Session, type SessionData, Store } from 'express-session'
import { AllSessions } from './adapters/express-session/all-sessions.ts'
import { answer, type Callback, warnIfFails } from './adapters/express-session/answer.ts'
import { type MigrateOptions, readMigrate } from './adapters/express-session/migrate-option.ts'
import { MigratedSessions } from './adapters/express-session/migration.ts'
import { type LifeOptions, readLifeOptions, type StoreSettings } from './adapters/express-session/options.ts'
import { RollingSessions } from './adapters/express-session/rolling.ts'
import { StoredSessions } from './adapters/express-session/stored-sessions.ts'
import { ConfigError } from './core/errors.ts'
import { connectionOf, type RedisClient } from './redis/clients/clients.ts'
import { ConnectRedis } from './redis/connect-redis.ts'
import { Keys } from './redis/keys.ts'
import { redisStore } from './redis/redis-store.ts'
import { Runner } from './redis/runner.ts'

export type { MigrateOptions } from './adapters/express-session/migrate-option.ts'
export type { LifeOptions } from './adapters/express-session/options.ts'

/** How the sessions of express-session are kept. */
export interface CoatcheckStoreOptions extends LifeOptions {
  /** A node-redis client (5 or 6), an ioredis client (5 or 6) or an iovalkey client, as `redisStore` takes it. It stays yours. */
  client: RedisClient
  /** Before every key. Default `express-session:`. Applications that share a Redis need different ones. */
  prefix?: string
  /** Called with every command as it is sent, for tracing. The arguments hold session data, never a session id. It must not throw. */
  onCommand?: (words: readonly string[]) => void
  /** Takes over the sessions of connect-redis, so that users stay logged in through the change. Default: none. */
  migrate?: MigrateOptions
}

/** A session as `all()` lists it. */
export type ListedSession = SessionData & {
  /** A handle: `destroy` takes it, and nothing else does. The session's own id is nowhere in Redis. */
  id: string
}

/**
 * Keeps the sessions of express-session 1.18 or newer in Redis: each property of the session is a field of a hash, so that
 * requests that change different ones both win, and nothing brings a session back that has ended. Every method takes a
 * callback, or gives a promise.
 *
 * It never emits `disconnect`: express-session would then serve requests without any session, and say nothing. When Redis is
 * gone each request that has a session fails instead, with an error whose `status` is 503.
 *
 * @example app.use(session({ store: new CoatcheckStore({ client }), secret, resave: false, saveUninitialized: false }))
 */
export class CoatcheckStore extends Store {
  readonly #sessions: StoredSessions
  readonly #all: AllSessions

  /** @throws ConfigError */
  constructor(options: CoatcheckStoreOptions) {
    super()
    if (typeof options !== 'object' || options === null) {
      throw new ConfigError('CoatcheckStore needs an options object, as in new CoatcheckStore({ client }).')
    }
    const { client, prefix = 'express-session:', onCommand, migrate } = options
    const store = redisStore(client, { prefix, monitoring: false, ...(onCommand && { onCommand }) })
    const settings = readLifeOptions(options, store)
    this.#sessions = migrate === undefined ? new StoredSessions(settings) : migrated(settings, options, migrate, prefix)
    this.#all = new AllSessions(settings.operations, this.#sessions)
  }

  /** Reads a session; `null`: there is none. One command. */
  get(sid: string): Promise<SessionData | null>
  get(sid: string, callback: (error: unknown, session?: SessionData | null) => void): void
  get(sid: string, callback?: Callback<SessionData | null>): Promise<SessionData | null> | undefined {
    return answer(this.#sessions.get(sid) as Promise<SessionData | null>, callback)
  }

  /**
   * Writes what has changed of a session that was read; begins one that was not. Fails with SessionEndedError when the session
   * has ended meanwhile: nothing was written.
   */
  set(sid: string, session: SessionData): Promise<void>
  set(sid: string, session: SessionData, callback?: (error?: unknown) => void): void
  set(sid: string, session: SessionData, callback?: Callback<void>): Promise<void> | undefined {
    return answer(this.#sessions.set(sid, session), callback)
  }

  /** Moves the end of a session, and nothing else. Fails with SessionEndedError when it has ended meanwhile. */
  override touch(sid: string, session: SessionData): Promise<void>
  override touch(sid: string, session: SessionData, callback?: (error?: unknown) => void): void
  override touch(sid: string, session: SessionData, callback?: Callback<void>): Promise<void> | undefined {
    return answer(this.#sessions.touch(sid, session), callback)
  }

  /** Ends a session, by its id or by the handle that `ids()` and `all()` give. It is no error if there is none. */
  destroy(sid: string): Promise<void>
  destroy(sid: string, callback?: (error?: unknown) => void): void
  destroy(...[sid, ...rest]: [sid: string, callback?: Callback<void>]): Promise<void> | undefined {
    const work = this.#sessions.destroy(sid)
    // `req.session.destroy()` says `undefined`, and waits for nothing.
    if (rest.length > 0 && rest[0] === undefined) warnIfFails(work) // guard: nobody waits
    return answer(work, rest[0])
  }

  /** Every session. Reads all of them, in pages. */
  override all(): Promise<ListedSession[]>
  override all(callback: (error: unknown, sessions?: ListedSession[]) => void): void
  override all(callback?: Callback<ListedSession[]>): Promise<ListedSession[]> | undefined {
    return answer(this.#all.all() as Promise<unknown> as Promise<ListedSession[]>, callback)
  }

  /** The handles of all sessions. */
  ids(): Promise<string[]>
  ids(callback: (error: unknown, ids?: string[]) => void): void
  ids(callback?: Callback<string[]>): Promise<string[]> | undefined {
    return answer(this.#all.ids(), callback)
  }

  /** How many sessions there are. By index: the cost does not grow with their number. */
  override length(): Promise<number>
  override length(callback: (error: unknown, length?: number) => void): void
  override length(callback?: Callback<number>): Promise<number> | undefined {
    return answer(this.#all.length(), callback)
  }

  /** Ends every session, one after the other. */
  override clear(): Promise<void>
  override clear(callback?: (error?: unknown) => void): void
  override clear(callback?: Callback<void>): Promise<void> | undefined {
    return answer(this.#all.clear(), callback)
  }

  /** For express-session, which makes its own object of what `get` gave: of that too it is known what the store held. */
  override createSession(req: Parameters<Store['createSession']>[0], session: SessionData): Session & SessionData {
    const made = super.createSession(req, session)
    this.#sessions.inherit(session, made) // guard: what was read
    return made
  }
}

function migrated(
  settings: StoreSettings,
  { client, onCommand }: CoatcheckStoreOptions,
  migrate: MigrateOptions,
  prefix: string,
): MigratedSessions {
  const { from, rolling } = readMigrate(migrate, prefix)
  // The keys of connect-redis hold session ids as they are, which nobody is told here.
  const told = onCommand && ((words: readonly string[]) => onCommand(words.map((word) => masked(word, from))))
  const old = new ConnectRedis(new Runner(connectionOf(client), told), from, new Keys(prefix))
  return rolling ? new RollingSessions(settings, old) : new MigratedSessions(settings, old)
}

function masked(word: string, from: string): string {
  if (word.startsWith(from)) return `${from}<session id>` // guard: session id untold
  return word
}
