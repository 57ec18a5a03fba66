import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { inspect } from 'node:util'
import { createSessions, type SessionStore, type Sessions, type SessionsOptions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { newPrefix } from '../redis/support.ts'
import { tokensSeen } from '../support/http.ts'
import {
  assertEveryKeyExpires,
  assertNoToken,
  type RedisClient,
  type RedisServer,
  startRedis,
} from '../support/redis-server.ts'

/** What the tests of adapters keep in a session. */
export interface Data {
  name: string
  note: string
  step: number
  views: number
  cart: string[]
  nested: { deep: { n: number } }
  [other: `field${number}`]: number
}

export interface Bench {
  /** A Redis server of this test file's own. */
  readonly redis: RedisServer
  /** The client through which the application goes. */
  readonly client: RedisClient
  /** Another client, to look at what is there. */
  readonly observer: RedisClient
  /** Sessions with a key prefix of their own. Their cookie is for plain http unless the options say otherwise. */
  sessions(options?: Partial<SessionsOptions>): Sessions<Data>
  /** A store with a key prefix of its own, some of its methods replaced. */
  store(changes?: (store: SessionStore) => Partial<SessionStore>): SessionStore
  /** Something that the application was told: an error, a warning. No token may be in it. */
  note<T>(told: T): T
  /** What has been noted so far, of what the console and `process.emitWarning` were given. */
  readonly heard: readonly unknown[]
}

/**
 * A Redis server for one test file. When the tests are done, every key in it must expire (P5), and no token that a client has
 * seen may be in it, nor in anything that this process has said or told (P6).
 */
export function useBench(start: () => Promise<Backend> = startOne): Bench {
  let redis: RedisServer
  let client: RedisClient
  let observer: RedisClient
  let masters: readonly RedisClient[]
  const heard = listen()

  before(async () => {
    ;({ redis, client, observer, masters = [observer] } = await start())
  })

  after(async () => {
    try {
      for (const master of masters) {
        await assertEveryKeyExpires(master)
        await assertNoToken(master, tokensSeen)
      }
      const said = heard
        .map((told) => inspect(told, { depth: 10, showHidden: true, maxStringLength: Infinity }))
        .join('\n')
      for (const token of tokensSeen) assert.ok(!said.includes(token), 'a token has been said')
    } finally {
      await redis.stop()
    }
  })

  const store: Bench['store'] = (changes) => {
    const real = redisStore(client, { prefix: newPrefix() })
    return changes === undefined ? real : altered(real, changes(altered(real, {})))
  }
  return {
    get redis() {
      return redis
    },
    get client() {
      return client
    },
    get observer() {
      return observer
    },
    store,
    // How long a store may take is the subject of few tests, and none for a busy machine to decide.
    sessions: (options = {}) =>
      createSessions<Data>({ store: store(), cookie: { secure: false }, storeTimeout: '20s', ...options }),
    note(told) {
      heard.push(told)
      return told
    },
    heard,
  }
}

/** Where a bench has its sessions. */
export interface Backend extends Pick<Bench, 'redis' | 'client' | 'observer'> {
  /** Observers of each server that has sessions, where there are several. */
  readonly masters?: readonly RedisClient[]
}

async function startOne(): Promise<Backend> {
  const redis = await startRedis()
  const [client, observer] = [await redis.connect(), await redis.connect()]
  // Every test has a store of its own on it.
  client.setMaxListeners(0)
  return { redis, client, observer }
}

/** Everything that is said on the console, or as a warning, instead of printing it. */
function listen(): unknown[] {
  const heard: unknown[] = []
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    console[method] = (...words: unknown[]) => void heard.push(...words)
  }
  process.on('warning', (warning) => heard.push(warning))
  return heard
}

/** A store of which some methods are others. One with another `commit` leaves plain writes to it too. */
export function altered(store: SessionStore, methods: Partial<SessionStore>): SessionStore {
  const changes = methods.commit === undefined ? methods : { write: async () => false, ...methods }
  return new Proxy(store, {
    get(target, name) {
      const owner = name in changes ? changes : target
      const value = Reflect.get(owner, name)
      return typeof value === 'function' ? value.bind(owner) : value
    },
  })
}
