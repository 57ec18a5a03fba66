import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { idOfToken, newToken } from '../../src/core/token.ts'
import { createSessions, type Sessions, StoreError } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { type Data, open } from '../core/sessions-contract.ts'
import { measureStall } from '../support/lag.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { type AnyClient, CLIENTS } from './clients.ts'
import { assertCountedOnce } from './counted-once.ts'
import { warningsOf } from './support.ts'

/** Every operation, with a token. */
const OPERATIONS: Record<string, (sessions: Sessions<Data>, token: string, id: string) => Promise<unknown>> = {
  create: (sessions) => sessions.create({ name: 'Grace' }),
  load: (sessions, token) => sessions.load(token),
  peek: (sessions, token) => sessions.peek(token),
  touch: (sessions, token) => sessions.touch(token),
  set: (sessions, token) => sessions.set(token, { name: 'Grace' }),
  update: (sessions, token) => sessions.update(token, 'name', () => 'Grace'),
  increment: (sessions, token) => sessions.increment(token, 'views'),
  setIdleTimeout: (sessions, token) => sessions.setIdleTimeout(token, '1h'),
  timeToLive: (sessions, token) => sessions.timeToLive(token),
  rotate: (sessions, token) => sessions.rotate(token),
  destroy: (sessions, token) => sessions.destroy(token),
  find: (sessions, _, id) => sessions.find(id),
  revoke: (sessions, _, id) => sessions.revoke(id),
  count: (sessions) => sessions.count(),
  recent: (sessions) => sessions.recent(),
}

const DEADLINE = 400

describe('when Redis is lost', () => {
  for (const listening of [true, false]) {
    const title = listening
      ? 'a process that listens to its client is left to itself'
      : 'a process whose client nobody listens to is warned once, and lives'

    it(title, async (t) => {
      const server = await startRedis()
      t.after(() => server.stop())
      const client = createClient({ url: server.url, socket: { reconnectStrategy: () => 20 } })
      t.after(() => client.destroy())
      const heard: unknown[] = []
      if (listening) client.on('error', (error) => heard.push(error))
      await client.connect()
      const sessions = createSessions({ store: redisStore(client), storeTimeout: 100 })
      const warnings = await warningsOf(async () => {
        await server.stop()
        for (let i = 0; i < 3; i++) await assert.rejects(sessions.load(newToken()), StoreError)
      })
      const codes = warnings.map(({ code }) => code)
      assert.deepEqual(codes, listening ? [] : ['COATCHECK_REDIS_CONNECTION'])
      assert.equal(heard.length > 0, listening)
    })
  }
})

for (const [name, newClient] of Object.entries(CLIENTS)) {
  describe(`with ${name}, when Redis`, () => {
    let server: RedisServer
    let client: AnyClient
    let sessions: Sessions<Data>
    let sent: string[]

    beforeEach(async () => {
      server = await startRedis()
      client = newClient(server.url)
      await client.connect()
      sent = []
      const store = redisStore(client.client, { onCommand: (words) => sent.push(words.slice(0, 2).join(' ')) })
      sessions = open(store, { storeTimeout: DEADLINE })
    })
    afterEach(async () => {
      client.destroy()
      await server.stop()
    })

    /** Every operation fails in time, each with an error that says so. */
    async function assertAllFail(token: string, id: string, code: string): Promise<StoreError[]> {
      const busy = measureStall()
      return Promise.all(
        Object.entries(OPERATIONS).map(async ([operation, run]) => {
          const started = performance.now()
          const error = await run(sessions, token, id).then(
            () => assert.fail(`${operation} succeeded`),
            (error: unknown) => error,
          )
          const took = performance.now() - started
          assert.ok(error instanceof StoreError, `${operation}: ${error}`)
          assert.deepEqual([error.code, error.status], [code, 503], operation)
          assert.ok(took >= DEADLINE - 2 && took <= DEADLINE + 200 + busy(), `${operation} took ${took} ms`)
          assert.ok(!`${error.stack}${error.message}`.includes(token))
          return error
        }),
      )
    }

    /** The store is known to be away: nobody waits, and nothing is sent. */
    async function assertAllFailAtOnce(token: string, id: string): Promise<void> {
      while ((await sessions.health()).state === 'up') await pause(5)
      const asked = sent.filter((command) => !command.startsWith('HGETALL')).length
      const [started, busy] = [performance.now(), measureStall()]
      for (const [operation, run] of Object.entries(OPERATIONS)) {
        const away = { name: 'StoreError', code: 'ERR_STORE_UNAVAILABLE', outcome: 'none', status: 503 }
        await assert.rejects(run(sessions, token, id), away, operation)
      }
      const took = performance.now() - started
      assert.ok(took < 200 + busy(), `${took} ms for all of them`)
      assert.equal(sent.filter((command) => !command.startsWith('HGETALL')).length, asked)
    }

    /** Within a second of the client's connection. */
    async function assertServedAgain(): Promise<void> {
      while (!client.isReady) await pause(1)
      const [ready, busy] = [performance.now(), measureStall()]
      while (
        !(await sessions.find(idOfToken(newToken())).then(
          () => true,
          () => false,
        ))
      )
        await pause(1)
      const took = performance.now() - ready
      assert.ok(took < 1000 + busy(), `served ${took} ms after the client was connected`)
      assert.equal((await sessions.health()).state, 'up')
    }

    it('freezes, every operation fails at the deadline, and all is well when it goes on', async () => {
      const { token, id } = await sessions.create({ name: 'Ada' })
      process.kill(server.pid, 'SIGSTOP')
      // The commands have been sent: nobody can know.
      const errors = await assertAllFail(token, id, 'ERR_STORE_TIMEOUT')
      assert.deepEqual(new Set(errors.map(({ outcome }) => outcome)), new Set(['unknown']))
      assert.equal(await sessions.load('no token'), null)
      await assertAllFailAtOnce(token, id)
      process.kill(server.pid, 'SIGCONT')
      await assertServedAgain()
      const { token: another } = await sessions.create({ name: 'Grace' })
      assert.deepEqual((await sessions.load(another))?.data, { name: 'Grace' })
    })

    it('dies, every operation fails at the deadline, nothing is sent later, and a new one is used as it comes', async () => {
      const { token, id } = await sessions.create({ name: 'Ada' })
      await server.stop()
      while (client.isReady) await pause(1)
      const errors = await assertAllFail(token, id, 'ERR_STORE_TIMEOUT')
      // What waited in the client's queue was withdrawn. An update, alone in having two deadlines, may not know that yet.
      const outcomes = Object.keys(OPERATIONS).flatMap((name, i) => (name === 'update' ? [] : [errors[i]?.outcome]))
      assert.deepEqual(new Set(outcomes), new Set(['none']))

      await assertAllFailAtOnce(token, id)
      server = await startRedis({ port: server.port })
      await assertServedAgain()
      assert.equal(await sessions.count(), 0)
      const { token: another } = await sessions.create({ name: 'Grace' })
      assert.deepEqual((await sessions.load(another))?.data, { name: 'Grace' })
      assert.equal(await sessions.load(token), null)
    })

    it('answers a create too late, the session that nobody knows of is ended', async () => {
      const observer = await server.connect()
      await sessions.create()
      process.kill(server.pid, 'SIGSTOP')
      await assert.rejects(sessions.create({ name: 'late' }), { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
      process.kill(server.pid, 'SIGCONT')
      const isEnd = (command: string) => command === `EVALSHA ${scripts.destroy.sha1}` || command.startsWith('EVAL ')
      while (!sent.some(isEnd)) await pause(5)
      while ((await sessions.count()) > 1) await pause(5)
      assert.equal((await observer.keys('session:{??}:??????????????????????')).length, 1)
    })

    it('kills connections again and again, there are typed errors only, and no increment is applied twice', async () => {
      const observer = await server.connect()
      const sessions = createSessions<{ views: number }>({ store: redisStore(client.client) })
      const { token } = await sessions.create()
      await assertCountedOnce(sessions, token, async () => {
        while (!client.isReady) await pause(1)
        await observer.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
      })
    })
  })
}
