import { setTimeout as pause } from 'node:timers/promises'
import type { Scope } from '../support/http.ts'
import { startRedis } from '../support/redis-server.ts'
import { startProxy, type Proxy as Way } from '../support/tcp-proxy.ts'
import type { ChaosApp } from './apps.ts'
import type { Done } from './history.ts'
import { type Result, summaryOf, type UnderLoad, underLoad } from './under-load.ts'

// What is between an application and its Redis: slow, silent, or cut off in the middle of what it says.

interface NetworkOptions {
  readonly client: ChaosApp['client']
  readonly ms: number
}

/** What is known of a load that goes through a proxy to a Redis of its own. */
async function throughProxy(
  scope: Scope,
  { client }: NetworkOptions,
  run: Pick<UnderLoad, 'patience' | 'connections' | 'tabs' | 'sessions'> & {
    options?: object
    chaos(proxy: Way): Promise<void>
  },
) {
  const redis = await startRedis()
  scope.after(() => redis.stop())
  const proxy = await startProxy(redis.port)
  scope.after(() => proxy.stop())
  const observer = await redis.connect()
  const { options = {}, chaos, ...rest } = run
  return underLoad(scope, {
    app: { where: 'single', client, options, urls: [`redis://127.0.0.1:${proxy.port}`] },
    masters: async () => [observer],
    ...rest,
    // What is between one process and its Redis.
    processes: 1,
    rest: 100,
    chaos: () => chaos(proxy),
  })
}

/** What a way to Redis and back takes, in ms. */
const FAR = 200
/** What a login may take: it asks three times, and once more for the session before. */
const LOGIN = 1000

/**
 * What begins anew when others change the same thing meanwhile asks more often than four times, and with the default of a second
 * may meet its deadline where four browsers change everything of one user all the time.
 */
const SLOW = { storeTimeout: 3000 }

/** Everything works as ever, only later. */
export async function slowNetwork(scope: Scope, options: NetworkOptions): Promise<Result> {
  let begun = 0
  const { violations, history } = await throughProxy(scope, options, {
    patience: 10_000,
    sessions: SLOW,
    connections: 16,
    // Two logins of one session wait for each other.
    tabs: 1,
    async chaos(proxy) {
      // Redis knows the scripts then.
      await pause(1000)
      proxy.setDelay(FAR / 2)
      // What is on its way when it begins is not what is measured.
      begun = performance.now() + 500
      await pause(options.ms)
    },
  })
  const later = history.filter(({ begin }) => begin > begun)
  const median = (op: Done['op'], isIt = (_: Done) => true) => {
    const done = later.filter((each) => each.op === op && each.status === 200 && isIt(each))
    const took = done.map(({ begin, end }) => end - begin)
    return Math.round(took.sort((a, b) => a - b)[took.length >> 1] ?? 0)
  }
  const failed = later.filter(({ status }) => status === 503 || status === null)
  // By so much does a busy machine make each of them later.
  const lag = Math.max(0, median('write') - 2 * FAR)
  const login = median('login', ({ token }) => token !== null)
  return {
    done: `${options.client}: ${FAR} ms from Redis and back, for ${options.ms} ms`,
    measured: {
      ...summaryOf(later),
      read: `${median('read')} ms`,
      write: `${median('write')} ms`,
      'login of a guest': `${login} ms`,
    },
    violations: [
      ...violations,
      ...(failed.length === 0 ? [] : [`${failed.length} requests failed, as ${JSON.stringify(failed[0])}`]),
      ...(login <= LOGIN + 2 * lag ? [] : [`a login takes ${login} ms`]),
    ],
  }
}

/** What a request may take whose every call meets its deadline of a second: two of them, and one to clean up behind a login. */
const PATIENCE = 3500
/** In which everybody is served again, in ms. */
const BACK = 2000

/** Nothing arrives for a while, then everything. */
export async function frozenNetwork(scope: Scope, options: NetworkOptions): Promise<Result> {
  const times = { resumed: 0, over: 0 }
  const { violations, history } = await throughProxy(scope, options, {
    patience: PATIENCE,
    async chaos(proxy) {
      await pause(500)
      proxy.pause()
      await pause(options.ms)
      proxy.resume()
      times.resumed = performance.now()
      await pause(BACK + 1000)
    },
  })
  return outage(
    options,
    `nothing arrives for ${options.ms} ms, then all of it`,
    violations,
    history,
    times.resumed,
    BACK,
  )
}

/** How soon a client notices that nobody answers, in ms. */
const NOTICES = 1000
/**
 * What makes it. Else it waits until the operating system gives up, a quarter of an hour. `socketTimeout` of node-redis is none of
 * it: that is a time without anything sent, too, and requests go on being sent.
 */
const WATCHFUL = { 'node-redis': { watchdog: NOTICES }, ioredis: { socketTimeout: NOTICES } }

/** The connections lead nowhere from one moment on, and nobody says so. */
export async function strandedConnections(scope: Scope, options: NetworkOptions): Promise<Result> {
  let stranded = 0
  const { violations, history } = await throughProxy(scope, options, {
    patience: PATIENCE,
    options: WATCHFUL[options.client],
    async chaos(proxy) {
      await pause(500)
      proxy.strand()
      stranded = performance.now()
      await pause(Math.max(options.ms, 2 * NOTICES + BACK + 1000))
    },
  })
  const what = `connections half-open, with ${JSON.stringify(WATCHFUL[options.client])}`
  return outage(options, what, violations, history, stranded, 2 * NOTICES + BACK)
}

/** Everybody is served again within `back` ms of a moment; until then, what failed did so in time. */
function outage(
  { client }: NetworkOptions,
  what: string,
  violations: readonly string[],
  history: readonly Done[],
  since: number,
  back: number,
): Result {
  const failed = history.filter(({ status }) => status === 503 || status === null)
  const last = Math.max(0, ...failed.map(({ end }) => end - since))
  const slowest = Math.max(0, ...failed.map(({ begin, end }) => end - begin))
  return {
    done: `${client}: ${what}`,
    measured: {
      ...summaryOf(history),
      'last failure after': `${Math.round(last)} ms`,
      'slowest failure': `${Math.round(slowest)} ms`,
    },
    violations: [
      ...violations,
      ...(failed.length > 0 ? [] : ['nothing failed: this proves nothing']),
      ...(last < back ? [] : [`a request failed ${Math.round(last)} ms after service could resume`]),
    ],
  }
}
