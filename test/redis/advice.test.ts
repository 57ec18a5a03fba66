import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as ioredis6 from 'ioredis'
import * as ioredis5 from 'ioredis5'
import * as iovalkey from 'iovalkey'
import * as redis6 from 'redis'
import * as redis5 from 'redis5'
import { redisStore } from '../../src/redis.ts'
import { call } from '../store-contract.ts'
import { startRedis } from '../support/redis-server.ts'
import { warningsOf } from './support.ts'

// Their types differ, what is used of them here does not.
const NODE_REDIS = { 'node-redis 6': redis6, 'node-redis 5': redis5 as unknown as typeof redis6 }
const IOREDIS = {
  'ioredis 6': ioredis6,
  'ioredis 5': ioredis5 as unknown as typeof ioredis6,
  iovalkey: iovalkey as unknown as typeof ioredis6,
}
const SAFE = { autoResendUnfulfilledCommands: false, lazyConnect: true }

/** What is said of the options of a client that is made while this runs. Each option is named once in a process. */
async function named(make: () => Parameters<typeof redisStore>[0]): Promise<(string | undefined)[]> {
  const warnings = await warningsOf(async () => void redisStore(make()))
  for (const { code, message } of warnings) {
    assert.equal(code, 'COATCHECK_CLIENT_CLOSES')
    assert.match(message, /closes for good when .*until the process is started again\. (?:Set|Leave)/)
  }
  return warnings.map(({ message }) => /^With (.*) this Redis client/.exec(message)?.[1])
}

/** Of all versions together: the first is warned of. */
async function namedByAny<T>(versions: Record<string, T>, make: (version: T) => Parameters<typeof redisStore>[0]) {
  const all: (string | undefined)[][] = []
  for (const version of Object.values(versions)) all.push(await named(() => make(version)))
  return all.flat()
}

describe('a client that would close for good is warned of, by the option', () => {
  it('of node-redis', async () => {
    for (const [socket, option] of [
      [{ reconnectStrategy: false }, 'socket.reconnectStrategy: false'],
      [{ socketTimeout: 5000 }, 'socket.socketTimeout without a socket.reconnectStrategy'],
    ] as const) {
      assert.deepEqual(await namedByAny(NODE_REDIS, ({ createClient }) => createClient({ socket })), [option])
      const options = { rootNodes: [{ url: 'redis://127.0.0.1:1' }], defaults: { socket } }
      assert.deepEqual(await namedByAny(NODE_REDIS, ({ createCluster }) => createCluster(options)), [
        `defaults.${option}`,
      ])
    }
  })

  it('of ioredis and iovalkey', async () => {
    const never = null as never
    assert.deepEqual(await namedByAny(IOREDIS, ({ Redis }) => new Redis({ ...SAFE, retryStrategy: never })), [
      'retryStrategy',
    ])
    const sentinels = {
      ...SAFE,
      name: 'x',
      failoverDetector: true,
      sentinels: [{ port: 1 }],
      sentinelRetryStrategy: never,
    }
    assert.deepEqual(await namedByAny(IOREDIS, ({ Redis }) => new Redis(sentinels)), ['sentinelRetryStrategy'])
    const cluster = { lazyConnect: true, redisOptions: SAFE, clusterRetryStrategy: never }
    assert.deepEqual(await namedByAny(IOREDIS, ({ Cluster }) => new Cluster(['redis://127.0.0.1:1'], cluster)), [
      'clusterRetryStrategy',
    ])
  })

  it('and not one with other options, of which a strategy is not called', async () => {
    const strategy = () => assert.fail('it was called')
    for (const { createClient, createCluster } of Object.values(NODE_REDIS)) {
      for (const options of [
        {},
        { socket: { reconnectStrategy: strategy, socketTimeout: 100 } },
        { socket: { reconnectStrategy: 50, socketTimeout: 100 } },
        { disableOfflineQueue: true, commandsQueueMaxLength: 100, pingInterval: 1000 },
      ]) {
        assert.deepEqual(await named(() => createClient(options)), [])
        assert.deepEqual(await named(() => createCluster({ rootNodes: [{}], defaults: options })), [])
      }
    }
    for (const { Redis, Cluster } of Object.values(IOREDIS)) {
      for (const options of [
        {},
        { retryStrategy: strategy },
        { maxRetriesPerRequest: null, enableOfflineQueue: false, commandTimeout: 100 },
        { name: 'x', failoverDetector: true, sentinels: [{ port: 1 }], sentinelRetryStrategy: strategy },
      ]) {
        assert.deepEqual(await named(() => new Redis({ ...SAFE, ...options })), [])
      }
      for (const options of [{}, { clusterRetryStrategy: strategy, scaleReads: 'slave' as const }]) {
        const cluster = { lazyConnect: true, redisOptions: SAFE, ...options }
        assert.deepEqual(await named(() => new Cluster(['redis://127.0.0.1:1'], cluster)), [])
      }
    }
  })
})

for (const [name, { createClient, createCluster }] of Object.entries(NODE_REDIS)) {
  describe(`a client of ${name}`, () => {
    it('that reads from replicas is refused', () => {
      const refused = { code: 'ERR_CONFIG', message: /readonly: a replica is behind/ }
      assert.throws(() => redisStore(createClient({ readonly: true })), refused)
      assert.throws(() => redisStore(createCluster({ rootNodes: [{}], defaults: { readonly: true } })), refused)
    })

    it('that keeps what it has read serves no session that has ended elsewhere', async (t) => {
      const server = await startRedis()
      t.after(() => server.stop())
      const cache = { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' as const }
      const client = createClient({ url: server.url, RESP: 3, clientSideCache: cache })
      t.after(() => client.destroy())
      await client.connect()
      const store = redisStore(client)
      const other = await server.connect()
      for (let i = 0; i < 20; i++) {
        const id = `pD${String(i).padStart(22, 'A')}`
        const key = `session:{pD}:${id.slice(2)}`
        const now = Date.now()
        const times = { created_at: `${now}`, last_accessed_at: `${now}`, deadline: `${now + 60_000}` }
        await other.hSet(key, { ...times, session_ttl: '60' })
        await other.expire(key, 60)
        assert.ok(await store.load(id, null, call()))
        await other.del(key)
        assert.equal(await store.load(id, null, call()), null)
      }
    })
  })
}
