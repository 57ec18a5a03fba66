import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type Finding, type SessionStore, type Sessions, StoreError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { freePort, type RedisClient, startRedis } from '../support/redis-server.ts'
import { CLIENTS } from './clients.ts'
import { clientsToTry } from './many-clients.ts'
import { newPrefix, useRedis } from './support.ts'

/** What there is nothing to say about. */
const GOOD = ['--maxmemory', '200mb', '--appendonly', 'yes', '--enable-protected-configs', 'yes']

/** Each fault, as it is made on a good server, and what has to be said of it. */
const FAULTS: [
  what: string,
  make: (redis: RedisClient) => Promise<unknown>,
  code: string,
  level: string,
  text: RegExp,
][] = [
  [
    'eviction',
    (redis) => redis.configSet('maxmemory-policy', 'allkeys-lru'),
    'EVICTION',
    'error',
    /allkeys-lru.*Set it to noeviction\.$/,
  ],
  ['memory that is nearly full', almostFull, 'MEMORY', 'warning', /9\d %.*Raise maxmemory/],
  ['memory that is full', (redis) => redis.configSet('maxmemory', '1'), 'MEMORY', 'error', /refuses writes/],
  ['no limit of memory', (redis) => redis.configSet('maxmemory', '0'), 'MAXMEMORY', 'warning', /Set maxmemory/],
  [
    'an append-only file that is left to the system',
    (redis) => redis.configSet('appendfsync', 'no'),
    'APPENDFSYNC',
    'warning',
    /appendfsync to everysec/,
  ],
  [
    'nothing on disk',
    (redis) => redis.configSet({ appendonly: 'no', save: '' }),
    'PERSISTENCE',
    'warning',
    /restart logs everyone out.*appendonly to yes/,
  ],
  [
    'snapshots alone',
    (redis) => redis.configSet({ appendonly: 'no', save: '3600 1' }),
    'SNAPSHOTS',
    'warning',
    /3600 1.*appendonly to yes/,
  ],
  ['a snapshot that failed', failedSnapshot, 'DISK', 'error', /refuses writes.*log/],
  [
    'a snapshot that failed, where writes go on',
    async (redis) => {
      await redis.configSet('stop-writes-on-bgsave-error', 'no')
      await failedSnapshot(redis)
    },
    'DISK',
    'warning',
    /snapshot.*failed\. Look/,
  ],
  [
    'a replica',
    async (redis) => redis.sendCommand(['REPLICAOF', '127.0.0.1', `${await freePort()}`]),
    'REPLICA',
    'error',
    /takes no writes. Connect to its master \(127\.0\.0\.1:\d+\)/,
  ],
]

async function almostFull(redis: RedisClient): Promise<void> {
  // So much that what is asked takes next to nothing.
  await redis.setRange('filler', 60_000_000, 'x')
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
  await redis.configSet('maxmemory', `${Math.round(used / 0.95)}`)
}

async function failedSnapshot(redis: RedisClient): Promise<void> {
  await redis.configSet({ save: '3600 1', dbfilename: 'folder' })
  const { dir } = await redis.configGet('dir')
  mkdirSync(join(String(dir), 'folder'))
  await redis.sendCommand(['BGSAVE'])
  while (!(await redis.info('persistence')).includes('rdb_last_bgsave_status:err')) await pause(5)
}

for (const [name, newClient] of clientsToTry(CLIENTS)) {
  describe(`sessions.check() by ${name}`, { timeout: 60_000 }, () => {
    async function checked(t: TestContext, args: string[], make?: (redis: RedisClient) => Promise<unknown>) {
      const dir = mkdtempSync(join(tmpdir(), 'coatcheck-check-'))
      const server = await startRedis({ args, dir })
      const redis = await server.connect()
      const client = newClient(server.url)
      t.after(async () => {
        client.destroy()
        await server.stop()
        rmSync(dir, { recursive: true })
      })
      await client.connect()
      await make?.(redis)
      return createSessions({ store: redisStore(client.client), storeTimeout: '10s' }).check()
    }

    it('has nothing to say of a good server', async (t) => {
      assert.deepEqual(await checked(t, GOOD), [])
    })

    for (const [what, make, code, level, text] of FAULTS) {
      it(`tells of ${what}`, async (t) => {
        const findings = await checked(t, GOOD, make)
        assert.deepEqual(briefly(findings), [[code, level]])
        assert.match(findings[0]?.message ?? '', text)
      })
    }

    it('tells of eviction as a risk where there is no limit of memory', async (t) => {
      const findings = await checked(t, ['--appendonly', 'yes', '--maxmemory-policy', 'volatile-ttl'])
      assert.deepEqual(briefly(findings), [
        ['EVICTION', 'warning'],
        ['MAXMEMORY', 'warning'],
      ])
    })

    it('tells of a server without a command that came with 7.0, and which version it is', async (t) => {
      const [finding, ...others] = await checked(t, [...GOOD, '--rename-command', 'PEXPIRETIME', ''])
      assert.deepEqual(briefly([finding!, ...others]), [['VERSION', 'error']])
      assert.match(finding?.message ?? '', /too old \(\d+\.\d+\.\d+\)/)
    })

    it('tells of one server of a cluster that is taken for the only one, errors first', async (t) => {
      const findings = await checked(t, [...GOOD, '--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`])
      assert.deepEqual(briefly(findings), [
        ['CLUSTER_CLIENT', 'error'],
        ['CLUSTER_STATE', 'error'],
        ['CLUSTER_COVERAGE', 'warning'],
        ['CLUSTER_REPLICA', 'warning'],
      ])
    })

    it('tells of sessions in the larger form only where most are', async (t) => {
      const found: Finding[][] = []
      await checked(t, GOOD, async (redis) => {
        const sessions = createSessions<{ text: string }>({ store: redisStore(redis), storeTimeout: '10s' })
        const create = (text: string) => Promise.all(Array.from({ length: 300 }, () => sessions.create({ text })))
        await create('a'.repeat(64))
        found.push(await sessions.check())
        await redis.flushAll()
        await create('a'.repeat(65))
        found.push(await sessions.check())
      })
      assert.deepEqual(found.map(briefly), [[], [['HASH_FORM', 'warning']]])
      assert.match(found[1]?.[0]?.message ?? '', /hash-max-listpack-value \(64\)/)
    })

    it('says that it cannot serve just now, where a script keeps it busy', async (t) => {
      const server = await startRedis({ args: ['--busy-reply-threshold', '20'] })
      t.after(() => server.stop())
      const client = newClient(server.url)
      t.after(() => client.destroy())
      await client.connect()
      const sessions = createSessions({ store: redisStore(client.client), storeTimeout: '10s' })
      const [busy, other] = [await server.connect(), await server.connect()]
      const script = assert.rejects(busy.eval('while true do end'))
      while (!(await other.ping().catch(String)).includes('BUSY')) await pause(1)
      assert.match((await failureOf(sessions)).message, /it answers BUSY/)
      await other.sendCommand(['SCRIPT', 'KILL'])
      await script
      assert.equal((await sessions.check()).length, 2)
    })

    it('says why nothing answers: no server, no answer in time', async (t) => {
      const away = async (url: string) => {
        const client = newClient(url)
        t.after(() => client.destroy())
        client.connect().catch(() => undefined)
        return failureOf(createSessions({ store: redisStore(client.client), storeTimeout: 300 }))
      }
      const refused = await away(`redis://127.0.0.1:${await freePort()}`)
      assert.match(refused.message, /nothing listens there \(ECONNREFUSED\)/)
      assert.equal((refused.cause as { code?: string }).code, 'ECONNREFUSED')
      const frozen = await startRedis()
      t.after(() => frozen.stop())
      process.kill(frozen.pid, 'SIGSTOP')
      assert.match((await away(frozen.url)).message, /does not answer in time/)
    })
  })
}

describe('sessions.check()', () => {
  const redis = useRedis({ args: GOOD })

  it('changes nothing, and cannot be called once the sessions are closed', async () => {
    const sessions = createSessions({ store: redisStore(redis.client, { prefix: newPrefix() }) })
    await sessions.create()
    const before = await redis.server.dump()
    assert.deepEqual(await sessions.check(), [])
    assert.deepEqual(await redis.server.dump(), before)
    await sessions.close()
    await assert.rejects(sessions.check(), { code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('says what memoryStore is not, and nothing of a store that cannot be asked', async () => {
    const [finding] = await createSessions({ store: memoryStore() }).check()
    assert.deepEqual([finding?.code, finding?.level], ['MEMORY_STORE', 'warning'])
    const store: SessionStore = Object.assign(Object.create(memoryStore()), { check: undefined })
    assert.deepEqual(await createSessions({ store }).check(), [])
  })
})

function briefly(findings: readonly Finding[]): [string, string][] {
  return findings.map(({ code, level }) => [code, level])
}

async function failureOf(sessions: Sessions): Promise<StoreError> {
  try {
    await sessions.check()
  } catch (error) {
    assert.ok(error instanceof StoreError)
    return error
  }
  return assert.fail('it answered')
}
