import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as ioredis6 from 'ioredis'
import * as ioredis5 from 'ioredis5'
import * as iovalkey from 'iovalkey'
import { newToken } from '../../src/core/token.ts'
import { createSessions, StoreError } from '../../src/index.ts'
import { type IoredisClient, redisStore } from '../../src/redis.ts'
import { call } from '../store-contract.ts'
import { startRedis } from '../support/redis-server.ts'
import { newPrefix, useRedis, warningsOf } from './support.ts'

// Their types differ, what is used of them here does not.
const LIBRARIES = {
  'ioredis 6': ioredis6,
  'ioredis 5': ioredis5 as unknown as typeof ioredis6,
  iovalkey: iovalkey as unknown as typeof ioredis6,
}

const SAFE = { autoResendUnfulfilledCommands: false, lazyConnect: true }

for (const [name, { Redis, Cluster }] of Object.entries(LIBRARIES)) {
  describe(`a client of ${name}`, () => {
    const redis = useRedis()

    it('is refused as it is by default, with a word on what to change', () => {
      for (const options of [{}, { autoResendUnfulfilledCommands: true }]) {
        const client = new Redis({ lazyConnect: true, ...options })
        const message = /autoResendUnfulfilledCommands: false \(.*an increment counts twice\)/
        assert.throws(() => redisStore(client), { code: 'ERR_CONFIG', message })
      }
    })

    for (const [what, options, advice] of [
      ['pipelines of its own', { enableAutoPipelining: true }, /enableAutoPipelining: false/],
      ['a prefix of its own', { keyPrefix: 'shop:' }, /no keyPrefix, but redisStore\(client, \{ prefix/],
      ['integers as strings', { stringNumbers: true }, /stringNumbers: false/],
      ['replicas to read from', { readOnly: true }, /readOnly: false/],
      ['Sentinels whose word it does not hear', { sentinels: [{ port: 1 }], name: 'x' }, /failoverDetector: true/],
      ['a replica that Sentinels name', { sentinels: [{ port: 1 }], name: 'x', role: 'slave' }, /role: 'master'/],
    ] as const) {
      it(`is refused with ${what}`, () => {
        // biome-ignore lint/suspicious/noExplicitAny: the table's options have no type in common
        const client = new Redis({ ...SAFE, ...(options as any) })
        assert.throws(
          () => redisStore(client),
          (error: Error & { code?: string }) => {
            assert.equal(error.code, 'ERR_CONFIG')
            assert.match(error.message, advice)
            assert.ok(!error.message.includes('autoResend'), 'names what is well')
            return true
          },
        )
      })
    }

    it('is refused with every unsafe option at once', () => {
      const client = new Redis({ lazyConnect: true, stringNumbers: true, enableAutoPipelining: true })
      const message = /autoResendUnfulfilledCommands.*enableAutoPipelining.*stringNumbers/
      assert.throws(() => redisStore(client), { code: 'ERR_CONFIG', message })
    })

    it('is refused as a cluster whose nodes are as they are by default, or worse', () => {
      for (const redisOptions of [undefined, {}, { autoResendUnfulfilledCommands: false, stringNumbers: true }]) {
        const options = redisOptions === undefined ? {} : { redisOptions }
        const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true, ...options })
        const message = redisOptions?.stringNumbers
          ? /It needs in redisOptions: stringNumbers: false/
          : /It needs in redisOptions: autoResendUnfulfilledCommands: false/
        assert.throws(() => redisStore(cluster), { code: 'ERR_CONFIG', message })
      }
    })

    it('is taken with Sentinels, which name a master', () => {
      const sentinels = { sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'x' }
      const client = new Redis({ ...SAFE, ...sentinels, failoverDetector: true })
      assert.equal(redisStore(client).now(), null)
    })

    for (const options of [
      { enableOfflineQueue: false },
      { maxRetriesPerRequest: null },
      { maxRetriesPerRequest: 0 },
      { enableReadyCheck: false },
      { autoResubscribe: false },
      { commandTimeout: 5000, socketTimeout: 5000, showFriendlyErrorStack: true },
      { db: 3 },
    ]) {
      it(`works with ${JSON.stringify(options)}, and connects when it is first needed`, async (t) => {
        const client = new Redis(redis.server.port, { ...SAFE, ...options })
        t.after(() => client.disconnect())
        const sessions = createSessions<{ views: number }>({ store: redisStore(client, { prefix: newPrefix() }) })
        assert.equal(client.status, 'wait')
        const { token } = await sessions.create({ views: 1 })
        assert.equal(await sessions.increment(token, 'views'), 2)
        assert.deepEqual((await sessions.load(token))?.data, { views: 2 })
      })
    }

    it('that was closed fails at once, with nothing carried out', async (t) => {
      const client = new Redis(redis.server.port, SAFE)
      t.after(() => client.disconnect())
      const sessions = createSessions({ store: redisStore(client, { prefix: newPrefix() }), storeTimeout: '1m' })
      await sessions.create()
      await client.quit()
      while (client.status !== 'end') await pause(1)
      await assert.rejects(sessions.create(), { code: 'ERR_STORE_UNAVAILABLE', outcome: 'none' })
    })

    it('that gives up connecting tells those who wait', async () => {
      const client = new Redis(1, '127.0.0.1', { ...SAFE, retryStrategy: (n: number) => (n > 3 ? null : 20) })
      client.on('error', () => undefined)
      const sessions = createSessions({ store: redisStore(client), storeTimeout: '1m' })
      await assert.rejects(sessions.create(), { code: 'ERR_STORE_UNAVAILABLE', outcome: 'none' })
    })
  })
}

describe('an ioredis client', () => {
  it('that nobody listens to warns once, and prints nothing', async (t) => {
    const printed = t.mock.method(console, 'error')
    const warnings = await warningsOf(async () => {
      for (const { Redis } of Object.values(LIBRARIES)) {
        const server = await startRedis()
        const client = new Redis(server.port, { ...SAFE, retryStrategy: () => 5 })
        const sessions = createSessions({ store: redisStore(client), storeTimeout: 100 })
        await sessions.create()
        await server.stop()
        for (let i = 0; i < 3; i++) await assert.rejects(sessions.load(newToken()), StoreError)
        client.disconnect()
      }
    })
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['COATCHECK_REDIS_CONNECTION'],
    )
    // Node prints the warning; the libraries would print each error.
    const texts = printed.mock.calls.map((call) => String(call.arguments[0]))
    assert.deepEqual(
      texts.filter((text) => !text.includes('COATCHECK_REDIS_CONNECTION')),
      [],
    )
  })

  it('of a cluster that nobody listens to does neither more', async (t) => {
    const printed = t.mock.method(console, 'error')
    const { port, stop } = await startRedis()
    await stop()
    const warnings = await warningsOf(async () => {
      for (const { Cluster } of Object.values(LIBRARIES)) {
        const client = new Cluster([{ host: '127.0.0.1', port }], {
          lazyConnect: true,
          clusterRetryStrategy: () => 5,
          redisOptions: { autoResendUnfulfilledCommands: false },
        })
        const sessions = createSessions({ store: redisStore(client), storeTimeout: 100 })
        const failed = new Promise((resolve) => client.once('node error', resolve))
        await assert.rejects(sessions.load(newToken()), StoreError)
        await failed
        client.disconnect()
      }
    })
    // Said once in a process, maybe by another test.
    assert.ok(warnings.every(({ code }) => code === 'COATCHECK_REDIS_CONNECTION'))
    assert.ok(printed.mock.calls.every((call) => String(call.arguments[0]).includes('COATCHECK_REDIS_CONNECTION')))
  })

  it('of RESP3 shapes is refused, and one of RESP2 is not', () => {
    const shaped = new ioredis6.Redis({ ...SAFE, replyMapping: 'resp3' })
    assert.throws(() => redisStore(shaped), { code: 'ERR_CONFIG', message: /replyMapping: 'legacy'/ })
    assert.equal(redisStore(new ioredis6.Redis({ ...SAFE, protocol: 2 })).now(), null)
  })
})

/** A client whose every state and reply a test gives. */
class FakeClient extends EventEmitter implements IoredisClient {
  status = 'ready'
  readonly options = { autoResendUnfulfilledCommands: false }
  readonly stream = { writable: true }
  readonly sent: string[] = []
  reply: () => Promise<unknown> = async () => []

  async call(name: string): Promise<unknown> {
    this.sent.push(name)
    return this.reply()
  }
  async connect(): Promise<void> {
    this.status = 'connecting'
  }
  duplicate(): never {
    throw new Error('nothing listens for events here')
  }
  become(status: string): void {
    this.status = status
    this.emit(status)
  }
}

/** A store on a client that has been asked already what it is asked once per connection. */
async function onFake() {
  const client = new FakeClient()
  const store = redisStore(client)
  await new Promise(setImmediate)
  client.sent.length = 0
  return { client, sessions: createSessions({ store, storeTimeout: 50 }) }
}

describe('a command of an ioredis client', () => {
  it('is not handed over while the connection is broken and the client has not noticed', async () => {
    const { client, sessions } = await onFake()
    client.stream.writable = false
    const reading = sessions.load(newToken())
    await new Promise(setImmediate)
    assert.equal(client.sent.length, 0)
    client.become('reconnecting')
    client.stream.writable = true
    client.become('ready')
    assert.equal(await reading, null)
    assert.ok(client.sent.includes('HGETALL'))
  })

  it('whose deadline passes before there is a connection is never sent', async () => {
    const { client, sessions } = await onFake()
    client.become('reconnecting')
    for (const run of [() => sessions.load(newToken()), () => sessions.create()]) {
      await assert.rejects(run, { code: 'ERR_STORE_TIMEOUT', outcome: 'none' })
    }
    client.become('ready')
    await new Promise(setImmediate)
    // Only what is asked once per connection.
    assert.deepEqual(client.sent, ['TIME', 'INFO', 'EVAL'])
  })

  it('that the connection takes with it fails at once, and nobody knows its fate', async () => {
    const { client } = await onFake()
    const sessions = createSessions({ store: redisStore(client), storeTimeout: '1m' })
    client.reply = () => new Promise(() => undefined)
    const creating = sessions.create()
    client.become('close')
    await assert.rejects(creating, { code: 'ERR_STORE_UNAVAILABLE', outcome: 'unknown' })
  })

  it('waits with a thousand others without a word of listeners', async () => {
    const { client, sessions } = await onFake()
    client.become('reconnecting')
    const before = client.eventNames().map((name) => client.listenerCount(name))
    const waiting = Array.from({ length: 1000 }, () => sessions.load(newToken()))
    assert.deepEqual(
      client.eventNames().map((name) => client.listenerCount(name)),
      before,
    )
    client.become('ready')
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set([null]))
  })

  it('is one of a store that came and went on the client without a trace', async () => {
    const client = new FakeClient()
    const count = () => client.eventNames().map((name) => client.listenerCount(name))
    await redisStore(client).close()
    const before = count()
    for (let i = 0; i < 100; i++) await redisStore(client).close()
    assert.deepEqual(count(), before)
    assert.equal(await redisStore(client).load('none', null, call()), null)
  })
})
