import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Session } from '../../src/core/session.ts'
import { createSessions, type SessionStore, type Sessions, type SessionsOptions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { parseSetCookie, type Scope } from '../support/http.ts'
import type { RedisClient, RedisServer } from '../support/redis-server.ts'
import { type Proxy as SlowProxy, startProxy } from '../support/tcp-proxy.ts'

export interface Data {
  name: string
  secret: string
  cart: string[]
  views: number
  [other: `field${number}`]: number
}

type Options = Omit<SessionsOptions, 'store' | 'schema'>

export function open(store: SessionStore, options: Options = {}): Sessions<Data> {
  // How long a store may take is the subject of few tests, and none for a busy machine to decide.
  return createSessions<Data>({ store, storeTimeout: '20s', cookie: { secure: false }, ...options })
}

/** Someone with a cookie, whose requests come without HTTP: opened, handled and committed as an adapter does it. */
export class Browser {
  readonly #sessions: Sessions<Data>
  token: string | null
  /** The last `Set-Cookie`. */
  setCookie: string | null = null

  constructor(sessions: Sessions<Data>, token: string | null = null) {
    this.#sessions = sessions
    this.token = token
  }

  async request<T>(handle: (session: Session<Data>) => T | Promise<T>): Promise<T> {
    const request = {}
    const state = await this.#sessions.openRequest(request, this.token === null ? undefined : `sid=${this.token}`)
    const answer = await handle(this.#sessions.of(request))
    await state.commit()
    const setCookie = state.takeCookie()
    if (setCookie !== null) this.#keep(setCookie)
    return answer
  }

  #keep(line: string): void {
    this.setCookie = line
    const { value, maxAge } = parseSetCookie(line)
    this.token = maxAge === '0' ? null : value
  }
}

/** Someone without a user, with some data. */
export async function anonymous(sessions: Sessions<Data>, data: Partial<Data> = { name: 'Ada' }): Promise<Browser> {
  const { token } = await sessions.create(data)
  return new Browser(sessions, token)
}

/** A way to Redis as another process has it: a connection of its own, and a clock of its own. */
interface Way {
  readonly client: RedisClient
  readonly store: SessionStore
  readonly proxy: SlowProxy
}

export async function slowWay(scope: Scope, server: RedisServer, prefix: string): Promise<Way> {
  const proxy = await startProxy(server.port)
  scope.after(() => proxy.stop())
  const client = await server.connect({ url: `redis://127.0.0.1:${proxy.port}` })
  scope.after(() => client.isOpen && client.destroy())
  return { client, store: redisStore(client, { prefix }), proxy }
}

/** A store in memory as far away as another machine's. */
export function distant(most: number, store: SessionStore = memoryStore()): SessionStore {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      if (name === 'now' || name === 'subscribe') return method.bind(target)
      return async (...args: unknown[]) => {
        await pause(Math.random() * most)
        const reply = await method.apply(target, args)
        await pause(Math.random() * most)
        return reply
      }
    },
  })
}

/** The code of what a promise rejects with; fails if it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return assert.fail('it did not fail')
}
