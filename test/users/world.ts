import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, describe } from 'node:test'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis5'
import { SessionKeeper } from '../../src/adapters/session-keeper.ts'
import type { Client } from '../../src/core/request-state.ts'
import type { Session } from '../../src/core/session.ts'
import {
  createSessions,
  type SessionEvent,
  type SessionEvents,
  type SessionStore,
  type Sessions,
  type SessionsOptions,
} from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type NodeRedisClient, redisStore } from '../../src/redis.ts'
import { eventually, type Scope } from '../support/http.ts'
import { type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'

// What is told of users and their sessions, on every store: two processes on the same sessions, and browsers without a web
// framework in between.

export interface Data {
  name: string
  views: number
}

export type Options = Omit<SessionsOptions, 'store' | 'schema'>

/** Two processes with the same sessions. With a memory store they are one process, and two objects. */
export interface World {
  readonly here: Sessions<Data>
  readonly there: Sessions<Data>
  /** Whether each learns what the other does from a server. */
  readonly isRemote: boolean
}

export type OpenWorld = (scope: Scope, options?: Options) => Promise<World>

interface ConnectedClient extends NodeRedisClient {
  connect(): Promise<unknown>
  destroy(): void
  setMaxListeners(most: number): unknown
}

export const CLIENTS: Record<string, (url: string) => ConnectedClient> = {
  'node-redis 6': (url) => createClient({ url }),
  'node-redis 5': (url) => createClient5({ url }),
}

/** Sessions whose deadlines are no business of the test: how long a store may take is for few tests to say. */
export function sessionsOn(store: SessionStore, options: Options = {}): Sessions<Data> {
  const sessions = createSessions<Data>({ store, storeTimeout: '20s', cookie: { secure: false }, ...options })
  const { create } = sessions
  sessions.create = async (...args) => {
    const created = await create.apply(sessions, args)
    tokensSeen.add(created.token)
    return created
  }
  return sessions
}

/** What sessions hold in these tests. */
export const DATA = 'what is in the pockets of the coat'

/** Every token that anybody has had. */
const tokensSeen = new Set<string>()

/** Every event of this process, and every message that went through a server. */
const said: string[] = []
subscribe('coatcheck:session', (event) => said.push(JSON.stringify(event)))

/** Nobody who listens learns what logs in, or what a session holds. */
function assertNothingTold(): void {
  assert.ok(said.length > 0 && tokensSeen.size > 0)
  for (const text of said.splice(0)) {
    assert.ok(!text.includes(DATA), text)
    for (const [run] of text.matchAll(/[\w-]{43,}/g)) {
      for (let i = 0; i + 43 <= run.length; i++) assert.ok(!tokensSeen.has(run.slice(i, i + 43)), text)
    }
  }
}

/** Runs the same tests on every store. */
export function onEveryStore(what: string, define: (open: OpenWorld) => void): void {
  describe(`${what}, on memoryStore`, () => {
    after(assertNothingTold)
    define(async (scope, options) => {
      const store = memoryStore()
      return closing(scope, {
        here: sessionsOn(store, options),
        there: sessionsOn(store, options),
        isRemote: false,
      })
    })
  })

  for (const [name, newClient] of Object.entries(CLIENTS)) {
    describe(`${what}, on redisStore with ${name}`, () => {
      let server: RedisServer
      let clients: ConnectedClient[] = []
      before(async () => {
        server = await startRedis()
        clients = [1, 2].map(() => newClient(server.url))
        for (const client of clients) {
          // Every test has a store of its own on it.
          client.setMaxListeners(0)
          await client.connect()
        }
        const listener = await server.connect()
        await listener.pSubscribe('*', (message, channel) => said.push(`${channel} ${message}`))
      })
      after(async () => {
        for (const client of clients) client.destroy()
        await server.stop()
        assertNothingTold()
      })
      define(async (scope, options) => {
        const prefix = `${randomUUID()}:`
        const [here, there] = clients.map((client) => sessionsOn(redisStore(client, { prefix }), options))
        assert.ok(here && there)
        return closing(scope, { here, there, isRemote: true })
      })
    })
  }
}

function closing(scope: Scope, world: World): World {
  scope.after(async () => {
    await world.here.close()
    await world.there.close()
  })
  return world
}

/** What one request came to. */
export interface Visit<T> {
  readonly result: T
  /** What the response does to the browser's cookie. */
  readonly cookie: 'issued' | 'cleared' | 'none'
}

export interface Ask {
  /** The process that serves the request. */
  readonly at?: Sessions<Data>
  /** The token that is sent, in place of the browser's. */
  readonly token?: string | null
  /** Whether the request counts as activity. */
  readonly touch?: boolean
}

/** Somebody with a cookie, on a connection that a test describes. */
export class Browser {
  readonly #sessions: Sessions<Data>
  readonly #client: Client
  token: string | null = null

  constructor(sessions: Sessions<Data>, { userAgent, address }: { userAgent?: string; address?: string } = {}) {
    this.#sessions = sessions
    this.#client = { userAgent: () => userAgent, address: () => address }
  }

  /** Sends a request: from the arrival to when the head of the response leaves. */
  async visit<T = void>(
    act: (session: Session<Data>) => T | Promise<T> = () => undefined as T,
    { at = this.#sessions, token = this.token, touch = true }: Ask = {},
  ): Promise<Visit<T>> {
    const request = {}
    const header = token === null ? undefined : `sid=${token}`
    const state = await at.openRequest(request, header, { client: { ...this.#client, isActive: () => touch } })
    const keeper = new SessionKeeper(state, { touch: () => touch, secure: () => true, onError: assert.ifError })
    const result = await act(at.of(request))
    await keeper.prepare()?.()
    const line = keeper.takeCookie()
    keeper.headLeaves()
    if (line === null) return { result, cookie: 'none' }
    const [, value = ''] = /^sid=([^;]*)/.exec(line) ?? assert.fail(line)
    this.token = value === '' ? null : value
    if (value !== '') tokensSeen.add(value)
    return { result, cookie: value === '' ? 'cleared' : 'issued' }
  }

  /** Logs in, and tells the id of the session. */
  async login(userId: string, options: Parameters<Session<Data>['login']>[1] = {}, ask?: Ask): Promise<string> {
    const { result } = await this.visit(async (session) => {
      await session.login(userId, options)
      return idOf(session)
    }, ask)
    return result
  }
}

export function idOf({ id }: Session<Data>): string {
  return id ?? assert.fail('there is no session')
}

export const TYPES: readonly (keyof SessionEvents)[] = [
  ...(['created', 'login', 'rotated', 'destroyed', 'revoked', 'evicted', 'roles', 'reuse', 'refused'] as const),
]

/** Collects every event that these sessions tell, from when they hear those of others too. */
export async function eventsOf(sessions: Sessions<Data>): Promise<SessionEvent[]> {
  const events: SessionEvent[] = []
  for (const type of TYPES) sessions.on(type, (event) => events.push(event))
  await listening(sessions)
  return events
}

/** Waits until these sessions hear what others do: what is watched is heard of. */
async function listening(sessions: Sessions<Data>): Promise<void> {
  const { id } = await sessions.create()
  let ended = false
  await sessions.watch(id, () => {
    ended = true
  })
  await sessions.revoke(id)
  await eventually(() => ended)
}

/** What is on the `node:diagnostics_channel` while something runs. */
export async function published(run: () => Promise<void>): Promise<SessionEvent[]> {
  const events: SessionEvent[] = []
  const listen = (event: unknown) => events.push(event as SessionEvent)
  subscribe('coatcheck:session', listen)
  try {
    await run()
  } finally {
    unsubscribe('coatcheck:session', listen)
  }
  return events
}

/** A client of this server that closes with the test. */
export async function clientOf(scope: Scope, server: RedisServer): Promise<RedisClient> {
  const client = await server.connect()
  client.setMaxListeners(0)
  scope.after(() => {
    if (client.isOpen) client.destroy()
  })
  return client
}

/** A handler that begins a session, or writes to it. */
export function keepsData(session: Session<Data>): void {
  session.data.name = DATA
}
