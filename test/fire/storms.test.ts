import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { idOfToken } from '../../src/core/token.ts'
import { createSessions, type Sessions, StoreError } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { CLIENTS } from '../redis/clients.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { keysOf } from '../redis/support.ts'
import { measureLag, measureStall } from '../support/lag.ts'
import { assertEveryKeyExpires, type RedisClient, startRedis } from '../support/redis-server.ts'
import { type App, startApp } from './child.ts'
import { startLossyProxy } from './lossy-proxy.ts'

interface Data {
  list: number[]
  views: number
  name: string
}

/** What the application says of a failed call, and what the adapter says of a failed commit. */
const REFUSED = /^503 (?:ERR_STORE_UNAVAILABLE|ERR_STORE_TIMEOUT|Session store unavailable)$/

/** Of four requests each. */
const ROUNDS = 25

describe('a storm', { timeout: 60_000 }, () => {
  it('of SCRIPT FLUSH under load fails no request and loses no write', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const observer = await redis.connect()
    const app = await startApp(t, { redisUrl: redis.url, sessions: { touchInterval: 0, storeTimeout: '10s' } })
    const visitors = await Promise.all(Array.from({ length: 8 }, () => Visitor.begin(app)))

    let [flushes, running] = [0, true]
    const storm = (async () => {
      while (running) {
        await observer.scriptFlush()
        flushes++
        await new Promise(setImmediate)
      }
    })()
    await Promise.all(visitors.map((visitor) => visitor.ask(ROUNDS)))
    running = false
    await storm

    const unknown = await unknownScripts(observer)
    t.diagnostic(`${flushes} flushes, ${unknown} times NOSCRIPT, ${visitors.length * ROUNDS * 4} requests`)
    assert.ok(unknown > 50, `NOSCRIPT only ${unknown} times: the storm proves nothing`)
    for (const visitor of visitors) {
      assert.deepEqual(visitor.failures, [])
      assert.deepEqual(await visitor.stored(), { views: ROUNDS, tally: ROUNDS })
    }
    await assertEveryKeyExpires(observer)
    await assertConsistent(observer, 'session:')
  })

  it('of CLIENT KILL under load gives typed errors only, and all is well a second later', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const observer = await redis.connect()
    const app = await startApp(t, { redisUrl: redis.url, sessions: { touchInterval: 0 } })
    const visitors = await Promise.all(Array.from({ length: 8 }, () => Visitor.begin(app)))

    let [kills, running] = [0, true]
    const load = visitors.map(async (visitor) => {
      while (running) await visitor.ask(1)
    })
    while (kills < 40) {
      const killed = await observer.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
      if (Number(killed) > 0) kills++
      // Connections of a few milliseconds only.
      await pause(10)
    }
    running = false
    await Promise.all(load)

    const over = performance.now()
    const lag = measureLag(async () => (await get(app, '/data', '')).json())
    const calm = await Visitor.begin(app, 5000)
    await calm.ask(5)
    assert.deepEqual(calm.failures, [])
    const took = performance.now() - over
    assert.ok(took < 1000 + (await lag()), `well only after ${took} ms`)

    const failures = visitors.flatMap((visitor) => visitor.failures)
    t.diagnostic(
      `${kills} kills, ${failures.length} of ${visitors.reduce((n, { asked }) => n + asked, 0)} requests failed`,
    )
    assert.ok(failures.length > 0, 'nothing failed: the storm proves nothing')
    for (const failure of failures) assert.match(failure, REFUSED)
    for (const visitor of visitors) {
      const { views, tally } = await visitor.stored()
      assert.ok(views >= visitor.increments.done && views <= visitor.increments.done + visitor.increments.failed)
      assert.ok(tally >= visitor.tallies.done && tally <= visitor.tallies.done + visitor.tallies.failed)
    }
    assert.ok(app.isAlive)
    const codes = [...app.stderr.matchAll(/\[(COATCHECK_\w+)\]/g)].map(([, code]) => code)
    const expected = ['COATCHECK_REDIS_CONNECTION', 'COATCHECK_SECURE_COOKIE', 'COATCHECK_TOUCH_FAILED']
    for (const code of codes) assert.ok(expected.includes(code ?? ''), code)
    assert.equal(new Set(codes).size, codes.length, 'a warning was given twice')
    assert.doesNotMatch(app.stderr, /^\s+at /m)
    await assertEveryKeyExpires(observer)
    await assertConsistent(observer, 'session:')
  })
})

/** Someone who asks for one thing after the other, and keeps count. */
class Visitor {
  readonly #app: App
  readonly #cookie: string
  readonly failures: string[] = []
  readonly increments = { done: 0, failed: 0 }
  readonly tallies = { done: 0, failed: 0 }
  asked = 0

  constructor(app: App, cookie: string) {
    this.#app = app
    this.#cookie = cookie
  }

  /** @param patience milliseconds in which to ask again if that fails */
  static async begin(app: App, patience = 0): Promise<Visitor> {
    const end = performance.now() + patience
    while (true) {
      const reply = await post(app, '/set', '', { field: 'views', value: 0 })
      await reply.json()
      const cookie = /^__Host-sid=[\w-]{43}/.exec(reply.headers.get('set-cookie') ?? '')?.[0]
      if (cookie !== undefined) return new Visitor(app, cookie)
      assert.ok(performance.now() < end, `no session: ${reply.status}`)
    }
  }

  async ask(rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      await this.#send(post(this.#app, '/increment', this.#cookie, { field: 'views', by: 1 }), this.increments)
      await this.#send(post(this.#app, '/tally', this.#cookie), this.tallies)
      await this.#send(post(this.#app, '/note', this.#cookie, { value: `${i}` }))
      await this.#send(get(this.#app, '/data', this.#cookie))
    }
  }

  async stored(): Promise<{ views: number; tally: number }> {
    const { views, tally = 0 } = await (await get(this.#app, '/data', this.#cookie)).json()
    return { views, tally }
  }

  async #send(sent: Promise<Reply>, counts = { done: 0, failed: 0 }): Promise<void> {
    this.asked++
    const reply = await sent
    const { error } = await reply.json()
    if (reply.status === 200) {
      counts.done++
    } else {
      counts.failed++
      this.failures.push(`${reply.status} ${error}`)
    }
  }
}

interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests know what they have sent
  json(): Promise<any>
}

function get(app: App, path: string, cookie: string): Promise<Reply> {
  return fetch(app.url + path, { headers: { cookie } })
}

function post(app: App, path: string, cookie: string, body: object = {}): Promise<Reply> {
  const headers = { cookie, 'content-type': 'application/json' }
  return fetch(app.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
}

/** How often a script was not known to the server. */
async function unknownScripts(client: RedisClient): Promise<number> {
  return Number(/errorstat_NOSCRIPT:count=(\d+)/.exec(await client.info('errorstats'))?.[1] ?? 0)
}

/** Each write, on a session whose data is `{ views: 0 }`. */
const WRITES: Record<string, Write> = {
  increment: {
    script: 'commit',
    run: (sessions, token) => sessions.increment(token, 'views', 5),
    once: { views: 5 },
  },
  'a plain one': { script: 'write', run: plainly, once: { views: 7 } },
  set: {
    script: 'commit',
    run: (sessions, token) => sessions.set(token, { views: 7 }),
    once: { views: 7 },
  },
  update: {
    script: 'update',
    run: (sessions, token) => sessions.update(token, 'list', (list = []) => [...list, 1]),
    once: { views: 0, list: [1] },
  },
  setIdleTimeout: {
    script: 'commit',
    run: (sessions, token) => sessions.setIdleTimeout(token, '1h'),
    once: { views: 0 },
  },
  rotate: { script: 'rotate', run: (sessions, token) => sessions.rotate(token), once: { views: 0 } },
  destroy: { script: 'destroy', run: (sessions, token) => sessions.destroy(token), once: undefined },
  touch: { script: 'touch', run: (sessions, token) => sessions.touch(token), once: { views: 0 } },
}

/** A field that a request sets. */
async function plainly(sessions: Sessions<Data>, token: string): Promise<void> {
  const request = {}
  await sessions.openRequest(request, `__Host-sid=${token}`)
  const session = sessions.of(request)
  session.data.views = 7
  await session.commit()
}

interface Write {
  readonly script: keyof typeof scripts
  run(sessions: Sessions<Data>, token: string): Promise<unknown>
  /** The data that the session has when it has been carried out once; `undefined`: there is no session. */
  readonly once: Partial<Data> | undefined
}

for (const client of Object.keys(CLIENTS)) {
  describe(`a write on ${client} whose fate is unknown`, { timeout: 60_000 }, () => {
    // The versions of one library differ in nothing that tells one write from another.
    const writes = client.endsWith(' 6') ? Object.entries(WRITES) : Object.entries(WRITES).slice(0, 1)
    for (const [name, write] of writes) {
      for (const [what, then] of [
        ['reply', 'break'],
        ['reply', 'silence'],
        ['request', 'break'],
      ] as const) {
        it(`(${name}, its ${what} lost in a ${then}) is not sent again, and the error says so`, async (t) => {
          const { sessions, observer, proxy, isBack } = await start(t, client)
          const { token, id } = await sessions.create({ views: 0 })
          // The server knows the script: else it would be the answer NOSCRIPT that is lost.
          await write.run(sessions, (await sessions.create({ views: 0 })).token)
          await observer.configResetStat()

          const lost = proxy.lose(what, scripts[write.script].sha1, then)
          const error = await write.run(sessions, token).catch((error: unknown) => error)
          await lost
          assert.ok(error instanceof StoreError, String(error))
          assert.equal(error.outcome, 'unknown')
          assert.equal(error.code, then === 'break' ? 'ERR_STORE_UNAVAILABLE' : 'ERR_STORE_TIMEOUT')
          assert.ok(!`${error.stack} ${error.cause}`.includes(token))

          proxy.breakSilent()
          await isBack()
          assert.equal(await scriptCalls(observer), what === 'reply' ? 1 : 0)
          const found = await sessions.peek(token)
          const expected = what === 'reply' ? write.once : { views: 0 }
          assert.deepEqual(found?.data, expected)
          if (name === 'rotate') assert.equal(found?.id === id, what === 'request')
          if (name === 'setIdleTimeout') assert.equal(found?.idleTimeout, what === 'reply' ? 3_600_000 : 1_800_000)
          await assertEveryKeyExpires(observer)
        })
      }
    }

    it('(the same with a script that had to be sent whole) is unknown too', async (t) => {
      const { sessions, observer, proxy, isBack } = await start(t, client)
      const { token } = await sessions.create({ views: 0 })
      await observer.scriptFlush()
      const lost = proxy.lose('reply', '\r\nEVAL\r\n', 'silence')
      await assert.rejects(sessions.increment(token, 'views'), { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
      await lost
      proxy.breakSilent()
      await isBack()
      assert.equal((await sessions.peek(token))?.data.views, 1)
    })

    it('(a create) leaves at most one session, which nobody can use and which ends by itself', async (t) => {
      const { sessions, observer, proxy, isBack } = await start(t, client)
      await sessions.create()
      for (const then of ['break', 'silence'] as const) {
        await observer.flushAll()
        const lost = proxy.lose('reply', 'Ada', then)
        await assert.rejects(sessions.create({ name: 'Ada' }), { name: 'StoreError', outcome: 'unknown' })
        await lost
        proxy.breakSilent()
        await isBack()
        assert.equal(await sessions.count(), 1)
        await assertEveryKeyExpires(observer)
      }
    })

    it('(no connection until the deadline) has certainly not been carried out, and is not later', async (t) => {
      const { sessions, observer, proxy, isBack, isGone } = await start(t, client)
      const { token } = await sessions.create({ views: 0 })
      await sessions.increment(token, 'views')
      await observer.configResetStat()
      await proxy.refuse(true)
      await isGone()
      for (const run of [
        () => sessions.increment(token, 'views'),
        () => sessions.update(token, 'name', () => 'Ada'),
        () => sessions.create({ name: 'Ada' }),
        () => sessions.rotate(token),
        () => sessions.destroy(token),
      ]) {
        await assert.rejects(run, { name: 'StoreError', status: 503, outcome: 'none' })
      }
      await proxy.refuse(false)
      await isBack()
      assert.equal(await scriptCalls(observer), 0)
      assert.deepEqual((await sessions.peek(token))?.data, { views: 1 })
    })
  })
}

describe('a write whose fate is unknown', { timeout: 60_000 }, () => {
  it('(a create that is answered too late) is taken back', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const observer = await redis.connect()
    const store = redisStore(await redis.connect())
    const patient = createSessions<Data>({ store, storeTimeout: '10s' })
    await patient.destroy((await patient.create()).token)
    const sessions = createSessions<Data>({ store, storeTimeout: 100 })
    await observer.configResetStat()
    process.kill(redis.pid, 'SIGSTOP')
    try {
      await assert.rejects(sessions.create({ name: 'Ada' }), { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
    // The late answer comes, and the session is ended: create, then destroy.
    while ((await scriptCalls(observer)) < 2);
    assert.equal(await patient.count(), 0)
    assert.deepEqual(await observer.keys('*'), [])
  })

  it('(over HTTP) is answered with 503, and is there once at most', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const observer = await redis.connect()
    const proxy = await startLossyProxy(t, redis.port)
    const app = await startApp(t, { redisUrl: `redis://127.0.0.1:${proxy.port}`, sessions: { touchInterval: '5m' } })
    const begun = await post(app, '/set', '', { field: 'views', value: 0 })
    const cookie = begun.headers.get('set-cookie')?.split(';')[0] ?? assert.fail('no cookie')
    // The server knows the scripts from here on: else it would be the answer NOSCRIPT that is lost.
    for (const path of ['/tally', '/note']) await post(app, path, cookie)
    await post(app, '/increment', cookie, { field: 'views', by: 0 })
    for (const [path, body, words] of [
      ['/increment', { field: 'views', by: 1 }, 'views'],
      ['/tally', {}, 'tally'],
      ['/note', { value: 'the note' }, 'the note'],
    ] as const) {
      const lost = proxy.lose('reply', words, 'break')
      const reply = await post(app, path, cookie, body)
      await lost
      assert.equal(reply.status, 503, path)
      assert.equal(reply.headers.get('set-cookie'), null)
      while ((await get(app, '/data', cookie)).status !== 200);
    }
    const data = await (await get(app, '/data', cookie)).json()
    assert.deepEqual(data, { views: 1, tally: 2, note: 'the note' })
    assert.equal(await observer.exists(keysOf('session:', idOfToken(cookie.split('=')[1] ?? '')).session), 1)
  })
})

async function start(t: TestContext, name: string) {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const observer = await redis.connect()
  const proxy = await startLossyProxy(t, redis.port)
  const client = CLIENTS[name]?.(`redis://127.0.0.1:${proxy.port}`) ?? assert.fail(name)
  t.after(() => client.destroy())
  await client.connect()
  const sessions = createSessions<Data>({ store: redisStore(client.client), storeTimeout: 300, rotationGrace: '1m' })
  return {
    sessions,
    observer,
    proxy,
    /** The client knows that it is not connected. */
    async isGone() {
      while (client.isReady) await pause(5)
    },
    /** The client is connected again, and what it still had to send has been sent. */
    /** Within a second of which the sessions know, too. */
    async isBack() {
      while (!(client.isReady && (await client.ping().catch(() => null)) === 'PONG')) await pause(5)
      const [connected, busy] = [performance.now(), measureStall()]
      while ((await sessions.health()).state === 'down') await pause(1)
      assert.ok(performance.now() - connected < 1000 + busy())
    },
  }
}

/** How often a script was asked for since the statistics began. What is asked at each new connection is sent whole, and no write. */
async function scriptCalls(client: RedisClient): Promise<number> {
  return Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(await client.info('commandstats'))?.[1] ?? 0)
}
