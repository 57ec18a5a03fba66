import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import express from 'express'
import { createClient } from 'redis'
import { expressSessions } from '../../src/express.ts'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { newPrefix } from '../redis/support.ts'
import { serve, Visitor } from '../support/http.ts'
import { measureLag, measureStall } from '../support/lag.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'

// Many requests at once while Redis is away, and after it.

const DEADLINE = 500
const MANY = 200

async function openApp(t: TestContext) {
  let redis = await startRedis()
  t.after(() => redis.stop())
  const client = createClient({ url: redis.url, socket: { reconnectStrategy: () => 50 } })
  client.on('error', () => undefined)
  t.after(() => client.destroy())
  // What is heard of a client goes on when a store is closed.
  await redisStore(client).close()
  const before = client.listenerCount('ready')
  let sent = 0
  const sessions = createSessions({
    store: redisStore(client, { prefix: newPrefix(), onCommand: () => sent++ }),
    cookie: { secure: false },
    storeTimeout: DEADLINE,
  })
  await client.connect()
  const app = express()
  app.use(expressSessions(sessions))
  app.post('/begin', (req, res) => {
    sessions.of(req).data.name = 'Ada'
    res.end()
  })
  app.get('/', (req, res) => void res.json(sessions.of(req).data))
  // As an application answers by itself.
  app.use(((error, _req, res, _next) => {
    res.set(error.headers).status(error.status).json({ error: error.code })
  }) satisfies express.ErrorRequestHandler)
  const server = await serve(t, app)
  const [ada, stranger] = [new Visitor(t, server), new Visitor(t, server)]
  await ada.post('/begin')
  const ask = async () => {
    const began = performance.now()
    const reply = await ada.get('/')
    return { reply, took: performance.now() - began }
  }
  const opened = {
    sessions,
    client,
    ask,
    /** What all of them are answered, and how much longer the slowest takes than a visitor, who needs no Redis. */
    async askMany() {
      const lag = measureLag(() => stranger.get('/'))
      const all = await Promise.all(Array.from({ length: MANY }, ask))
      const answers = new Set(
        all.map(({ reply }) => `${reply.status} ${reply.headers['retry-after']} ${reply.json.error}`),
      )
      return { answers: [...answers], slowest: Math.max(...all.map(({ took }) => took)) - (await lag()) }
    },
    /** Everybody is served within a second of this. */
    async assertServedSince(since: number, busy: () => number) {
      while ((await ask()).reply.status !== 200) {
        assert.ok(performance.now() - since < 1000 + busy(), 'nobody is served')
      }
      t.diagnostic(`served ${Math.round(performance.now() - since)} ms after the client is connected`)
      const { answers } = await this.askMany()
      assert.deepEqual(answers, ['200 undefined undefined'])
    },
    listenersBefore: before,
    /** How many commands have been sent. */
    get sent() {
      return sent
    },
    get redis() {
      return redis
    },
    async restart(): Promise<RedisServer> {
      redis = await startRedis({ port: redis.port })
      return redis
    },
  }
  // Every connection is open, and nothing is done for the first time.
  await opened.askMany()
  return opened
}

describe('200 requests at once', () => {
  it('to a Redis that is frozen are answered within the deadline, the next ones at once, and served when it goes on', async (t) => {
    const app = await openApp(t)
    process.kill(app.redis.pid, 'SIGSTOP')
    let busy = measureStall()
    const first = await app.askMany()
    assert.deepEqual(first.answers, ['503 1 ERR_STORE_TIMEOUT'])
    assert.ok(first.slowest < DEADLINE + 300 + busy(), `${first.slowest} ms`)

    // By itself: nobody asks for the health of the store.
    while ((await app.ask()).reply.json.error !== 'ERR_STORE_UNAVAILABLE');
    busy = measureStall()
    const next = await app.askMany()
    assert.deepEqual(next.answers, ['503 1 ERR_STORE_UNAVAILABLE'])
    t.diagnostic(`the slowest of ${MANY} that are not tried: ${Math.round(next.slowest)} ms`)
    assert.ok(next.slowest < 300 + busy(), `${next.slowest} ms`)
    const alone = await app.ask()
    assert.ok(alone.took < 100 + busy(), `${alone.took} ms`)

    busy = measureStall()
    process.kill(app.redis.pid, 'SIGCONT')
    await app.assertServedSince(performance.now(), busy)
    assert.equal((await app.ask()).reply.json.name, 'Ada')
  })

  it('to a Redis that is killed are answered likewise, and served within a second of the new connection', async (t) => {
    const app = await openApp(t)
    process.kill(app.redis.pid, 'SIGKILL')
    while (app.client.isReady) await new Promise(setImmediate)
    const first = await app.askMany()
    assert.deepEqual(first.answers, ['503 1 ERR_STORE_TIMEOUT'])
    while ((await app.ask()).reply.json.error !== 'ERR_STORE_UNAVAILABLE');
    let busy = measureStall()
    const next = await app.askMany()
    assert.deepEqual(next.answers, ['503 1 ERR_STORE_UNAVAILABLE'])
    assert.ok(next.slowest < 300 + busy(), `${next.slowest} ms`)

    const ready = new Promise<number>((resolve) => app.client.once('ready', () => resolve(performance.now())))
    await app.restart()
    busy = measureStall()
    await app.assertServedSince(await ready, busy)
  })

  it('leave no listener and no probe behind when the sessions are closed while Redis is away', async (t) => {
    const app = await openApp(t)
    process.kill(app.redis.pid, 'SIGSTOP')
    await app.askMany()
    while ((await app.ask()).reply.json.error !== 'ERR_STORE_UNAVAILABLE');
    await app.sessions.close()
    assert.equal((await app.sessions.health()).state, 'down')
    assert.equal(app.client.listenerCount('ready'), app.listenersBefore)
    const { sent } = app
    // For longer than from one probe to the next.
    await pause(700)
    assert.equal(app.sent, sent)
  })
})
