import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { scripts } from '../../src/redis/scripts.ts'
import { program } from '../docs/pages.ts'
import { Sandbox } from '../docs/sandbox.ts'
import { measureLag, measureStall } from '../support/lag.ts'
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { type Child, startChild } from './child.ts'
import { startLossyProxy } from './lossy-proxy.ts'

// The README's program, word for word, while Redis freezes, dies and comes back.

/** The deadline of the program, and what may come on top. */
const DEADLINE = 1000 + 200
/** After the first deadlines, and a probe that is not answered either, nobody waits any more. */
const KNOWN = 1000 + 500 + 300
/** Within which everyone is served again. */
const BACK = 2000

interface Answer {
  readonly status: number
  /** By `performance.now()`. */
  readonly began: number
  readonly took: number
  readonly setCookie: string
  // biome-ignore lint/suspicious/noExplicitAny: as the program answers
  readonly json: any
}

interface Server {
  readonly child: Child
  get(cookie?: string): Promise<Answer>
  login(): Promise<Answer>
  add(item: string, cookie?: string): Promise<Answer>
  logout(cookie: string): Promise<Answer>
  /** How many sessions it has handed out. */
  readonly begun: number
}

/** Starts the program of the README, and returns when it listens. */
async function startServer(t: TestContext, redisUrl: string): Promise<Server> {
  const sandbox = new Sandbox()
  t.after(() => sandbox.remove())
  const port = await freePort()
  const file = sandbox.write('server.ts', program('README.md'))
  const env = { REDIS_URL: redisUrl, PORT: String(port), NODE_ENV: 'production' }
  const child = startChild(t, file, { cwd: sandbox.folder, env })

  const ask = async (method: string, path: string, cookie: string, body?: object): Promise<Answer> => {
    const began = performance.now()
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { cookie, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    for (const line of reply.headers.getSetCookie()) if (!line.includes('Max-Age=0')) handedOut.add(cookieOf(line))
    return {
      status: reply.status,
      began,
      took: performance.now() - began,
      setCookie: reply.headers.get('set-cookie') ?? '',
      json: text.startsWith('{') ? JSON.parse(text) : text,
    }
  }
  const handedOut = new Set<string>()
  const server: Server = {
    child,
    get begun() {
      return handedOut.size
    },
    get: (cookie = '') => ask('GET', '/profile', cookie),
    login: () => ask('POST', '/login', ''),
    add: (item, cookie = '') => ask('POST', '/cart', cookie, { item }),
    logout: (cookie) => ask('POST', '/logout', cookie),
  }
  while (!(await server.get().catch(() => null))) {
    assert.ok(child.isAlive, child.stderr)
    await pause(10)
  }
  return server
}

/** The cookie of a user who has just logged in and put something into the cart. */
async function begin(server: Server): Promise<string> {
  const cookie = cookieOf((await server.login()).setCookie)
  const { status, json } = await server.add('umbrella', cookie)
  assert.equal(status, 200, json)
  return cookie
}

function cookieOf(setCookie: string): string {
  return /^__Host-sid=[\w-]{43}(?=;)/.exec(setCookie)?.[0] ?? assert.fail(`no cookie: ${setCookie}`)
}

/** What is asked all the time while Redis is away, by whom. */
const ASKS = {
  'a visitor': (server: Server) => server.get(),
  'a read': (server: Server, cookie: string) => server.get(cookie),
  'a write': (server: Server, cookie: string) => server.add('hat', cookie),
  'a first write': (server: Server) => server.add('scarf'),
  'a login': (server: Server) => server.login(),
  'a logout': (server: Server, cookie: string) => server.logout(cookie),
} as const

/** Everything that was answered, by who asked, and how long this process did not get to run meanwhile. */
interface Answers {
  readonly of: Record<string, Answer[]>
  readonly stall: number
}

/** Asks for everything, again and again until `until`. */
async function askUntil(server: Server, cookie: string, until: () => boolean): Promise<Answers> {
  const busy = measureStall()
  const answers: Record<string, Answer[]> = {}
  await Promise.all(
    Object.entries(ASKS).map(async ([who, ask]) => {
      const list: Answer[] = []
      answers[who] = list
      do {
        list.push(await ask(server, cookie))
        await pause(20)
      } while (!until())
    }),
  )
  return { of: answers, stall: busy() }
}

/**
 * Only visitors are served; everyone else is told so in time, by 503. A visitor's answer needs nothing but the two processes:
 * for as long as the slowest of them took, the machine had other things to do.
 */
function assertAway(t: TestContext, { of: answers, stall }: Answers): void {
  const slowestOf = (list: readonly Answer[] = []) => Math.max(...list.map(({ took }) => took))
  const lag = slowestOf(answers['a visitor'])
  for (const [who, list] of Object.entries(answers)) {
    const slowest = slowestOf(list)
    t.diagnostic(`${who}: ${list.length} answers, the slowest after ${Math.round(slowest)} ms`)
    // A visitor has no profile, and is told so as ever.
    const expected = who === 'a visitor' ? 401 : 503
    assert.deepEqual([...new Set(list.map(({ status }) => status))], [expected], who)
    assert.ok(slowest < (who === 'a visitor' ? 500 + stall : DEADLINE + lag), `${who} waited ${slowest} ms`)
  }
}

/** Those who have asked since then were told at once. */
function assertAtOnce({ of: answers, stall }: Answers, since: number): void {
  const lag = Math.max(...(answers['a visitor'] ?? []).map(({ took }) => took))
  for (const [who, list] of Object.entries(answers)) {
    const late = list.filter(({ began }) => began > since)
    assert.ok(late.length > 0, who)
    const slowest = Math.max(...late.map(({ took }) => took))
    assert.ok(slowest < 300 + lag + stall, `${who} waited ${slowest} ms, though all had been told`)
  }
}

/** Everyone is served again within {@link BACK} of `since`. With a cookie whose session is gone, as a visitor is. */
async function assertBack(t: TestContext, server: Server, cookie: string, since: number): Promise<void> {
  const busy = measureStall()
  await Promise.all(
    Object.entries(ASKS).map(async ([who, ask]) => {
      if (ask === ASKS['a logout']) return
      while (![200, 401].includes((await ask(server, cookie)).status)) {
        assert.ok(performance.now() - since < BACK + busy(), `${who} is not served`)
        await pause(10)
      }
    }),
  )
  const took = performance.now() - since
  t.diagnostic(`everyone is served ${Math.round(took)} ms after Redis is back`)
  assert.ok(took < BACK + busy())
}

test('the program of the README survives a Redis that freezes', { timeout: 60_000 }, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const observer = await redis.connect()
  const server = await startServer(t, redis.url)
  const [cookie, leaving] = [await begin(server), await begin(server)]
  process.kill(redis.pid, 'SIGSTOP')
  const frozen = performance.now()
  const answers = await askUntil(server, leaving, () => performance.now() - frozen > 1500)
  process.kill(redis.pid, 'SIGCONT')
  const thawed = performance.now()
  assertAway(t, answers)
  await assertBack(t, server, cookie, thawed)

  assert.deepEqual((await server.get(cookie)).json.cart.slice(0, 1), ['umbrella'])
  assert.deepEqual((await server.get(leaving)).json, { cart: ['umbrella'], lastItem: 'umbrella', pageViews: 1 })
  // A session whose beginning was answered too late is taken back: there is none that nobody holds.
  assert.equal(answers.of['a first write']?.length, 2)
  const sessionKeys = async () => (await observer.keys('session:*')).filter((key) => /\}:[\w-]{22}$/.test(key))
  while ((await sessionKeys()).length !== server.begun) await pause(20)
  assert.ok(server.child.isAlive)
  assertQuiet(server)
})

test('the program of the README survives a Redis that is killed, twice, and one that was away for long', {
  timeout: 60_000,
}, async (t) => {
  let redis: RedisServer = await startRedis()
  const { port } = redis
  t.after(() => redis.stop())
  const server = await startServer(t, redis.url)
  for (const away of [300, 2500]) {
    const [cookie, leaving] = [await begin(server), await begin(server)]
    await redis.stop()
    const gone = performance.now()
    const answers = await askUntil(server, leaving, () => performance.now() - gone > away)
    assertAway(t, answers)
    if (away > KNOWN) assertAtOnce(answers, gone + KNOWN)
    redis = await startRedis({ port })
    await assertBack(t, server, cookie, performance.now())
  }
  assert.ok(server.child.isAlive)
  assertQuiet(server)
})

test('the program of the README survives a Redis that freezes and is then killed', { timeout: 60_000 }, async (t) => {
  let redis: RedisServer = await startRedis()
  const { port } = redis
  t.after(() => redis.stop())
  const server = await startServer(t, redis.url)
  const cookie = await begin(server)
  process.kill(redis.pid, 'SIGSTOP')
  const frozen = performance.now()
  const answers = askUntil(server, cookie, () => performance.now() - frozen > 1500)
  await pause(500)
  await redis.stop()
  assertAway(t, await answers)
  redis = await startRedis({ port })
  await assertBack(t, server, cookie, performance.now())
  assert.ok(server.child.isAlive)
  assertQuiet(server)
})

test('a commit of the program that fails never answers 2xx, and a logout of unknown outcome clears the cookie', {
  timeout: 60_000,
}, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const proxy = await startLossyProxy(t, redis.port)
  const server = await startServer(t, `redis://127.0.0.1:${proxy.port}`)
  // Every script has run once.
  await server.logout(await begin(server))
  const inTime = async (ask: Promise<Answer>, how: string) => {
    const lag = measureLag(() => server.get())
    const answer = await ask
    assert.ok(answer.took < DEADLINE + (await lag()), `${how}: ${answer.took} ms`)
    return answer
  }
  const served = async (cookie: string) => {
    proxy.breakSilent()
    while (![200, 401].includes((await server.get(cookie)).status)) await pause(10)
  }

  for (const then of ['break', 'silence'] as const) {
    for (const what of ['request', 'reply'] as const) {
      const cookie = await begin(server)
      // The update and the increment of the route are done; the field is written as the response leaves.
      const lost = proxy.lose(what, 'lastItem', then)
      const how = `the ${what} lost in a ${then}`
      const answer = await inTime(server.add('gloves', cookie), how)
      await lost
      assert.deepEqual([answer.status, answer.setCookie], [503, ''], how)
      await served(cookie)
      const { lastItem, pageViews } = (await server.get(cookie)).json
      assert.deepEqual([lastItem, pageViews], [what === 'reply' ? 'gloves' : 'umbrella', 2], how)
    }

    for (const what of ['request', 'reply'] as const) {
      const cookie = await begin(server)
      const lost = proxy.lose(what, scripts.destroy.sha1, then)
      const how = `the ${what} of the logout lost in a ${then}`
      const answer = await inTime(server.logout(cookie), how)
      await lost
      assert.equal(answer.status, 503, how)
      assert.match(answer.setCookie, /^__Host-sid=; Max-Age=0; /, how)
      await served(cookie)
      assert.deepEqual((await server.get(cookie)).json.pageViews, what === 'reply' ? undefined : 1, how)
    }

    // A session that begins with a write whose reply is lost: no cookie for what may not be there.
    const lost = proxy.lose('reply', 'a first umbrella', then)
    const answer = await server.add('a first umbrella')
    await lost
    assert.deepEqual([answer.status, answer.setCookie], [503, ''])
    await served('')
  }
  assert.ok(server.child.isAlive)
  assertQuiet(server)
})

/** It has said what it says once, and the errors that Express reports by itself: no crash, and no token. */
function assertQuiet({ child }: Server): void {
  const codes = [...child.stderr.matchAll(/\[(COATCHECK_\w+)\]/g)].map(([, code]) => code)
  assert.equal(new Set(codes).size, codes.length, `said twice: ${codes}`)
  assert.doesNotMatch(child.stderr, /unhandled|uncaught/i)
  assert.doesNotMatch(child.stderr, /=[\w-]{43}\b/)
  assert.equal(child.stdout, '')
}
