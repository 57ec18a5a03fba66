import { NO_CHANGES } from '../../src/core/commits.ts'
import type { RequestState } from '../../src/core/request-state.ts'
import { createSessions, type Sessions } from '../../src/index.ts'
import { type RedisClient, redisStore } from '../../src/redis.ts'
import { type Data, FIRST_DATA, nextItem, nextLogin } from '../http/page.ts'

/** Operations of the store level, in the order of the report. */
export const STORE_OPERATIONS = [
  'load',
  'touch',
  'commit',
  'update',
  'increment',
  'rotate',
  'create',
  'login',
  'destroy',
  'list',
  'revokeAll',
  'count',
  'recent',
] as const

export type StoreOperation = (typeof STORE_OPERATIONS)[number]

/** Sessions to work on. */
export interface World {
  readonly sessions: Sessions<Data>
  readonly tokens: string[]
  readonly users: string[]
}

/** One user each, logged in once. */
export async function worldOf(client: RedisClient, count: number): Promise<World> {
  const sessions = createSessions<Data>({ store: redisStore(client), cookie: { secure: false }, storeTimeout: '30s' })
  const tokens: string[] = []
  const users: string[] = []
  for (let begun = 0; begun < count; begun += 500) {
    const size = Math.min(500, count - begun)
    for (const { token, userId } of await Promise.all(Array.from({ length: size }, () => begin(sessions)))) {
      tokens.push(token)
      users.push(userId)
    }
  }
  return { sessions, tokens, users }
}

async function begin(sessions: Sessions<Data>): Promise<{ token: string; userId: string }> {
  const login = nextLogin()
  const { token } = await sessions.create(FIRST_DATA, login)
  return { token, userId: login.userId }
}

/** How each operation is done for the nth time. Those that end a session use one up. */
export function operationsOn(world: World): Record<StoreOperation, (n: number) => Promise<unknown>> {
  const { sessions, tokens, users } = world
  const token = (n: number) => tokens[n % tokens.length] as string
  const user = (n: number) => sessions.user(users[n % users.length] as string)
  const open = async (n: number): Promise<RequestState> => sessions.openRequest({}, `sid=${token(n)}`)
  return {
    load: (n) => sessions.peek(token(n)),
    touch: (n) => sessions.touch(token(n)),
    commit: commitsOn(world, open),
    update: (n) => sessions.update(token(n), 'lastItem', () => nextItem()),
    increment: (n) => sessions.increment(token(n), 'views'),
    rotate: async (n) => {
      const rotated = await sessions.rotate(token(n))
      if (rotated.token !== null) tokens[n % tokens.length] = rotated.token
    },
    create: () => sessions.create(FIRST_DATA),
    login: () => loginOf(sessions),
    destroy: (n) => sessions.destroy(token(n)),
    list: (n) => user(n).list(),
    revokeAll: (n) => user(n).revokeAll(),
    count: () => sessions.count(),
    recent: () => sessions.recent(),
  }
}

/** Of a visitor who had no session before, by a request. */
async function loginOf(sessions: Sessions<Data>): Promise<void> {
  const request = {}
  await sessions.openRequest(request, undefined)
  const { userId, ...options } = nextLogin()
  Object.assign(sessions.of(request).data, FIRST_DATA)
  await sessions.of(request).login(userId, options)
}

/** A commit alone, as a request does it that has read its session before. */
function commitsOn({ tokens }: World, open: (n: number) => Promise<RequestState>): (n: number) => Promise<unknown> {
  const opened: Promise<RequestState>[] = []
  return async (n) => {
    const place = n % tokens.length
    opened[place] ??= open(place)
    const state = await opened[place]
    if (state.record === null) throw new Error('The run is void: a session has ended.')
    await state.commit({ ...NO_CHANGES, set: new Map([['lastItem', nextItem()]]) })
  }
}
