import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import test from 'node:test'
import { isToken } from '../../src/core/token.ts'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { inParallel } from '../support/http.ts'
import { measureStall } from '../support/lag.ts'
import { assertEveryKeyExpires, startRedis } from '../support/redis-server.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { type App, startApp } from './child.ts'

// LEAK_REQUESTS sets how many requests are sent.

const REQUESTS = Number(process.env.LEAK_REQUESTS ?? 6000)
const STEPS = 20
/**
 * What the heap may grow by, in bytes per 1,000 requests. Compiled code comes and goes in steps of up to a megabyte: few
 * requests can only show a large leak.
 */
const SLOPE = REQUESTS >= 100_000 ? 5000 : 100_000

test(`${REQUESTS} requests leave nothing behind in the process, and it ends when it is told to`, {
  timeout: 60_000 + REQUESTS * 5,
}, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  const app = await startApp(t, {
    redisUrl: redis.url,
    sessions: { idleTimeout: '30s', touchInterval: 0, storeTimeout: '20s' },
  })
  const load = new Load(app)
  // Everything has been compiled, and every connection has been open once.
  await load.run(1000)
  const before = await load.rest()

  const heap: number[] = [await app.ask('memory')]
  for (let step = 0; step < STEPS; step++) {
    await load.run(REQUESTS / STEPS)
    heap.push(await app.ask('memory'))
  }
  const after = await load.rest()
  const slope = slopeOf(heap) / (REQUESTS / STEPS / 1000)
  t.diagnostic(`heap after gc, MB: ${heap.map((bytes) => (bytes / 1e6).toFixed(2)).join(' ')}`)
  t.diagnostic(`slope: ${Math.round(slope)} bytes per 1,000 requests`)
  t.diagnostic(`statuses: ${JSON.stringify(Object.fromEntries(load.statuses))}`)
  assert.ok(slope < SLOPE, `the heap grows by ${slope} bytes per 1,000 requests`)

  t.diagnostic(`active: ${JSON.stringify(after)}`)
  assert.deepEqual(after, before, 'timers or handles are left')
  // The server, and its connection to Redis.
  assert.deepEqual([after.TCPServerWrap, after.TCPSocketWrap, after.Timeout], [1, 1, undefined])
  await assertEveryKeyExpires(client)

  await app.ask('close')
  const [closed, busy] = [performance.now(), measureStall()]
  assert.equal(await app.ended, 0, app.stderr)
  t.diagnostic(`ended ${Math.round(performance.now() - closed)} ms after it was closed`)
  assert.ok(performance.now() - closed < 2000 + busy())
  assert.doesNotMatch(app.stderr, /unhandled|MaxListeners|^\s+at /im)
})

test('clients that hang up while their writes are on the way leave no connection behind', {
  timeout: 30_000,
}, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const proxy = await startProxy(redis.port)
  t.after(() => proxy.stop())
  const app = await startApp(t, { redisUrl: `redis://127.0.0.1:${proxy.port}` })
  const load = new Load(app)
  await load.run(100)
  const cookie = load.cookie()
  proxy.setDelay(100)
  for (const how of ['end', 'destroy', 'resetAndDestroy'] as const) {
    await load.rest()
    await app.ask('commands')
    const sockets = Array.from({ length: 20 }, (_, i) => {
      const body = JSON.stringify({ value: `${how} ${i}` })
      const lines = ['POST /note HTTP/1.1', 'Host: app', `Cookie: ${cookie}`, 'Content-Type: application/json']
      const socket = connect(app.port, '127.0.0.1').on('error', () => undefined)
      socket.resume().write([...lines, `Content-Length: ${body.length}`, '', body].join('\r\n'))
      return socket
    })
    let writing = 0
    while (writing < 20) {
      const commands: string[] = await app.ask('commands')
      writing += commands.filter((word) => word === 'EVALSHA').length
    }
    for (const socket of sockets) socket[how]()
    assert.equal((await load.rest()).TCPSocketWrap, 1, `connections are left after ${how}()`)
  }
})

test('a process whose Redis hangs ends within the deadline when it is told to', { timeout: 30_000 }, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const app = await startApp(t, { redisUrl: redis.url, sessions: { touchInterval: 0, storeTimeout: 500 } })
  const reply = await fetch(`${app.url}/note`, { method: 'POST' })
  const cookie = reply.headers.get('set-cookie')?.split(';')[0] ?? assert.fail('no cookie')
  process.kill(redis.pid, 'SIGSTOP')
  const [began, busy] = [performance.now(), measureStall()]
  const waiting = fetch(`${app.url}/data`, { headers: { cookie } })
  assert.equal((await waiting).status, 503)
  await app.ask('closeSessions')
  await assert.rejects(app.ask('call', 'count'), { code: 'ERR_STORE_UNAVAILABLE', outcome: 'none' })
  assert.ok(performance.now() - began < 2000 + busy())
  await app.ask('end')
  assert.equal(await app.ended, 0, app.stderr)
})

test('sessions that come and go on one client leave nothing on it', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  t.after(() => process.off('warning', listen))
  const listeners = () => client.eventNames().map((name) => [name, client.listenerCount(name)])
  const before = new Map<unknown, unknown>()
  for (let i = 0; i < 30; i++) {
    const sessions = createSessions({ store: redisStore(client, { prefix: `${i}:` }) })
    await sessions.create({ i })
    await sessions.close()
    // The one listener for errors stays: it is why a lost connection never ends the process.
    if (i === 0) for (const [name, count] of listeners()) before.set(name, count)
  }
  assert.deepEqual(new Map(listeners() as [unknown, unknown][]), before)
  await new Promise(setImmediate)
  assert.deepEqual(warnings, [])
})

/** People who do a bit of everything: three requests in eight write, some hang up, some begin, rotate or log out. */
class Load {
  readonly #app: App
  #agent = new Agent({ keepAlive: true, maxSockets: 12 })
  readonly #cookies: string[] = []
  #sent = 0
  readonly statuses = new Map<string, number>()

  constructor(app: App) {
    this.#app = app
  }

  /** The cookie of a session that was begun. */
  cookie(): string {
    return this.#cookies.find((cookie) => cookie !== undefined) ?? assert.fail('no session was begun')
  }

  run(requests: number): Promise<void> {
    return inParallel(requests, 12, () => this.#one(this.#sent++))
  }

  /** Closes all connections. @returns what keeps the application's process alive when it has heard of that, and its touches are done */
  async rest(): Promise<Record<string, number>> {
    this.#agent.destroy()
    this.#agent = new Agent({ keepAlive: true, maxSockets: 12 })
    const end = performance.now() + 5000
    while (true) {
      const resources: Record<string, number> = await this.#app.ask('resources')
      const { TCPSocketWrap: sockets, Timeout: timers = 0 } = resources
      if ((sockets === 1 && timers === 0) || performance.now() > end) return resources
    }
  }

  #one(i: number): Promise<void> {
    const cookie = this.#cookies[i % 40] ?? ''
    if (i % 97 === 0) return this.#ask('POST', '/logout', cookie)
    if (i % 61 === 0) return this.#ask('POST', '/rotate', cookie)
    if (i % 53 === 0) return this.#ask('POST', '/note', cookie, { value: `${i}` }, true)
    if (i % 41 === 0) return this.#ask('POST', '/set', cookie, { field: '_bad', value: i })
    if (i % 8 === 1) return this.#ask('POST', '/tally', cookie)
    if (i % 8 === 2) return this.#ask('POST', '/increment', cookie, { field: 'views', by: 1 })
    if (i % 8 === 0) return this.#ask('POST', '/note', cookie, { value: `${i}` })
    return this.#ask('GET', '/data', i % 5 === 0 ? '' : cookie)
  }

  #ask(method: string, path: string, cookie: string, body?: object, hangUp = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = { cookie, 'content-type': 'application/json' }
      const req = request({ host: '127.0.0.1', port: this.#app.port, method, path, headers, agent: this.#agent })
      req.on('error', (error) => (hangUp ? resolve() : reject(error)))
      req.on('close', resolve)
      req.on('response', (res) => {
        const key = `${res.statusCode}`
        this.statuses.set(key, (this.statuses.get(key) ?? 0) + 1)
        const token = /^__Host-sid=([\w-]{43});/.exec(res.headers['set-cookie']?.[0] ?? '')?.[1]
        if (isToken(token)) this.#cookies[this.#sent % 40] = `__Host-sid=${token}`
        res.resume()
      })
      req.end(body && JSON.stringify(body), () => hangUp && req.destroy())
    })
  }
}

/** The median of the slopes between any two points of the second half (Theil and Sen): single steps count for little. */
function slopeOf(values: readonly number[]): number {
  const points = values.slice(values.length >> 1)
  const slopes = points.flatMap((y, x) => points.slice(x + 1).map((later, i) => (later - y) / (i + 1)))
  return slopes.toSorted((a, b) => a - b)[slopes.length >> 1] ?? assert.fail('no points')
}
