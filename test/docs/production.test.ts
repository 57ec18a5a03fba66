import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { idOfToken } from '../../src/core/token.ts'
import { createSessions, type SessionEnd, type Sessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { freePort, type RedisClient, startRedis } from '../support/redis-server.ts'
import { block, program, ROOT, readPage, tableRows } from './pages.ts'
import { Sandbox } from './sandbox.ts'

// What docs/production.md says of Redis holds on a real one.

interface Data {
  text: string
  views: number
}

/** Uses everything that there is. */
async function useAll(sessions: Sessions<Data>): Promise<void> {
  const { token, id } = await sessions.create({ text: 'a' })
  assert.ok(await sessions.load(token))
  assert.ok(await sessions.find(id))
  await sessions.set(token, { views: 1 })
  assert.equal(await sessions.increment(token, 'views'), 2)
  await sessions.update(token, 'text', () => 'b')
  await sessions.update(token, 'text', () => undefined)
  await sessions.setIdleTimeout(token, '10m')
  assert.ok(await sessions.touch(token))
  assert.ok(await sessions.timeToLive(token))
  const rotated = await sessions.rotate(token)
  assert.equal((await sessions.peek(token))?.id, rotated.id)
  assert.equal(await sessions.count(), 1)
  assert.equal((await sessions.recent()).length, 1)
  assert.ok(await sessions.destroy(rotated.token!))
  assert.equal((await sessions.recent()).length, 0)
  for (let i = 0; i < 3; i++) await sessions.create({}, { userId: 'u42' })
  for (const session of await sessions.recent()) assert.ok(await sessions.revoke(session.id))
  await useAllOfUsers(sessions)
}

/** Logins, and what is told of them to another process. */
async function useAllOfUsers(sessions: Sessions<Data>): Promise<void> {
  const { token } = await sessions.create({ text: 'a' })
  const ends: SessionEnd[] = []
  await sessions.watch(idOfToken(token), (end) => ends.push(end))
  const request = {}
  await sessions.openRequest(request, `__Host-sid=${token}`)
  const session = sessions.of(request)
  await session.login('u42', { roles: ['editor'], deviceId: 'a' })
  assert.deepEqual(ends, [{ id: idOfToken(token), cause: 'login' }])
  // Another one on the same device, and one elsewhere.
  const { token: replaced } = await sessions.create({}, { userId: 'u42', deviceId: 'a' })
  await sessions.create({}, { userId: 'u42', deviceId: 'b' })
  assert.equal(session.data.text, 'a')
  const user = sessions.user('u42')
  assert.equal(await user.setRoles(['reader']), 2)
  assert.equal(await user.setRoles([]), 2)
  assert.deepEqual(await sessions.countByIdleAge(['1m']), [2])
  const { process: _, ...counts } = await sessions.stats()
  assert.deepEqual(counts, { active: 2, guests: 0, members: 2, users: 1 })
  assert.equal(await user.revokeOthers(idOfToken(replaced)), 1)
  assert.equal(await user.revokeAll(), 1)
  await sessions.create()
  await sessions.create({}, { userId: 'u43' })
  assert.equal(await sessions.revokeEveryone(), 2)
  await sessions.close()
}

describe('the least rights', () => {
  const words = block('docs/production.md', 'acl').trim().split(/\s+/)

  /** Uses everything as a user with these rights. @returns what was denied */
  async function useAllWith(t: TestContext, rights: readonly string[]): Promise<Set<string>> {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const admin = await redis.connect()
    await admin.sendCommand(rights)
    const [user, password] = [rights[2]!, rights.find((word) => word.startsWith('>'))!.slice(1)]
    const client = await redis.connect({ username: user, password })
    await useAll(createSessions<Data>({ store: redisStore(client), touchInterval: 0, maxPerUser: 2 }))
    const denied = (await admin.aclLog()).map(({ object }) => object)
    return new Set(denied.filter((object) => object !== 'client|setinfo'))
  }

  test('are enough for everything', async (t) => {
    assert.deepEqual(await useAllWith(t, words), new Set())
  })

  test('without the one to publish, everything else goes on', async (t) => {
    const rest = words.filter((word) => word !== '+publish')
    assert.deepEqual(await useAllWith(t, rest), new Set(['publish']))
  })

  test('hold no command that nothing uses, and miss none', () => {
    const granted = words.filter((word) => word.startsWith('+')).map((word) => word.slice(1))
    const lua = readdirSync(join(ROOT, 'lua')).map((name) => readFileSync(join(ROOT, 'lua', name), 'utf8'))
    const redis = readdirSync(join(ROOT, 'src/redis'))
      .filter((name) => name.endsWith('.ts') && !['scripts.ts', 'errors.ts'].includes(name))
      .map((name) => readFileSync(join(ROOT, 'src/redis', name), 'utf8'))
    const used = new Set([
      ...lua.flatMap((text) => [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name!.toLowerCase())),
      ...redis.flatMap((text) => [...text.matchAll(/\['([A-Z]+)'/g)].map(([, name]) => name!.toLowerCase())),
      'eval',
      'evalsha',
      // What node-redis says at the start of a connection.
      'hello',
      // What it says for a listener.
      'subscribe',
    ])
    assert.deepEqual(granted.toSorted(), [...used].toSorted())
  })
})

test('out of memory, reads, touches, rotations and logouts go on, and a write is ERR_STORE_FULL', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  const sessions = createSessions<Data>({ store: redisStore(client), touchInterval: 0 })
  const tokens = await Promise.all([1, 2, 3].map(async () => (await sessions.create({ views: 1 })).token))
  await client.configSet('maxmemory', '1')

  const full = { code: 'ERR_STORE_FULL', status: 503, outcome: 'none' }
  await assert.rejects(sessions.create({}), full)
  await assert.rejects(sessions.increment(tokens[0]!, 'views'), full)
  await assert.rejects(
    sessions.update(tokens[0]!, 'views', () => 5),
    full,
  )
  assert.deepEqual((await sessions.load(tokens[0]!))?.data, { views: 1 })
  assert.equal(await sessions.touch(tokens[0]!), true)
  const { token } = await sessions.rotate(tokens[1]!)
  assert.deepEqual((await sessions.peek(token!))?.data, { views: 1 })
  assert.equal(await sessions.destroy(tokens[2]!), true)
  assert.equal(await sessions.peek(tokens[2]!), null)
})

describe('what a crash of Redis loses', () => {
  /** Does something, kills Redis, and starts it on what it has left on its disk. */
  async function afterCrash(t: TestContext, args: string[], run: (client: RedisClient) => Promise<void>) {
    const dir = mkdtempSync(join(tmpdir(), 'coatcheck-crash-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const redis = await startRedis({ args, dir })
    await run(await redis.connect())
    await redis.stop()
    const again = await startRedis({ args, dir })
    t.after(() => again.stop())
    return createSessions<Data>({ store: redisStore(await again.connect()) })
  }

  /** Two sessions, one of which ends after `between`. */
  async function twoSessions(client: RedisClient, between: () => Promise<unknown> = async () => null) {
    const sessions = createSessions<Data>({ store: redisStore(client) })
    const [kept, ended] = [await sessions.create({ text: 'kept' }), await sessions.create({ text: 'ended' })]
    await between()
    assert.ok(await sessions.destroy(ended.token))
    const late = await sessions.create({ text: 'late' })
    return [kept, ended, late].map(({ token }) => token)
  }

  const CASES: [what: string, args: string[], snapshot: boolean, found: (string | undefined)[]][] = [
    ['every session, where nothing is persisted', [], false, [undefined, undefined, undefined]],
    ['what came after the last snapshot, a logout included', [], true, ['kept', 'ended', undefined]],
    [
      "nothing, with appendfsync 'always'",
      ['--appendonly', 'yes', '--appendfsync', 'always'],
      false,
      ['kept', undefined, 'late'],
    ],
  ]
  for (const [what, args, snapshot, expected] of CASES) {
    test(what, async (t) => {
      let tokens: string[] = []
      const sessions = await afterCrash(t, args, async (client) => {
        tokens = await twoSessions(client, async () => snapshot && client.sendCommand(['SAVE']))
      })
      const found = await Promise.all(tokens.map(async (token) => (await sessions.load(token))?.data.text))
      assert.deepEqual(found, expected)
    })
  }
})

test('a value above hash-max-listpack-value more than doubles what a session takes', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  const sessions = createSessions<Data>({ store: redisStore(client) })
  const size = async (text: string) => {
    const { id } = await sessions.create({ text })
    const key = `session:{${id.slice(0, 2)}}:${id.slice(2)}`
    return { bytes: await memoryOf(client, key), form: await client.objectEncoding(key) }
  }
  const small = await size('a'.repeat(64))
  const large = await size('a'.repeat(65))
  assert.deepEqual([small.form, large.form], ['listpack', 'hashtable'])
  assert.ok(large.bytes > 2 * small.bytes, `${small.bytes} and ${large.bytes} bytes`)
  await client.configSet('hash-max-listpack-value', '128')
  assert.equal((await size('a'.repeat(65))).form, 'listpack')
})

test('a session takes no more memory than the page says, and more than half of that', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
  // So few sessions to a partition would otherwise stand in a form that takes less; a user's own few do anyway.
  await client.configSet('zset-max-listpack-entries', '4')
  const data = { name: 'Ada Lovelace', cart: ['umbrella'], views: 3 }
  const COUNT = 6000
  const perUser: Record<string, number> = {
    'without a user': 0,
    'of a user who has this one': 1,
    'of a user who has three': 3,
  }
  const rows = tableRows(readPage('docs/production.md'), 'Memory')
  assert.deepEqual(
    rows.map(([what]) => what),
    Object.keys(perUser),
  )
  for (const [what = '', ...printed] of rows) {
    for (const [i, monitoring] of [true, false].entries()) {
      const store = redisStore(client, { monitoring })
      const sessions = createSessions<typeof data>({ store, storeTimeout: '1m' })
      const create = (n: number) => {
        const userId = perUser[what] === 0 ? undefined : `user-${Math.floor(n / perUser[what]!)}`
        return sessions.create(
          data,
          userId === undefined ? {} : { userId, roles: ['customer'], device: 'Chrome on macOS' },
        )
      }
      await client.flushAll()
      const before = await used()
      for (let n = 0; n < COUNT; n += 1000) await Promise.all(Array.from({ length: 1000 }, (_, j) => create(n + j)))
      const bytes = ((await used()) - before) / COUNT
      const most = Number(printed[i]?.replace(' B', '').replace(',', ''))
      assert.ok(bytes <= most && bytes > most / 2, `${what}: ${bytes} bytes, and the page says ${most}`)
      await sessions.close()
    }
  }
})

async function memoryOf(client: RedisClient, key: string): Promise<number> {
  return Number(await client.sendCommand(['MEMORY', 'USAGE', key]))
}

describe('an app that starts while Redis is away', () => {
  const setUp = async () => {
    const sandbox = new Sandbox()
    const [redis, port] = [await freePort(), await freePort()]
    const env = { REDIS_URL: `redis://127.0.0.1:${redis}`, PORT: String(port) }
    return { sandbox, redis, port, env }
  }

  test('waits for it, if the store was made before the client connects', async (t) => {
    const { sandbox, redis, port, env } = await setUp()
    t.after(() => sandbox.remove())
    const app = sandbox.start(sandbox.write('app.ts', program('docs/production.md')), env)
    t.after(() => app.stop())
    while (!app.stderr.includes('COATCHECK_REDIS_CONNECTION')) await pause(10)
    const server = await startRedis({ port: redis })
    t.after(() => server.stop())
    await app.listens(port)
    // What is asked at start is said of this server, which is as it comes.
    assert.match(app.stderr, /^warning MAXMEMORY: Redis has no limit/m)
    assert.match(app.stderr, /^warning PERSISTENCE: /m)
  })

  test('ends with an error, if the client connects first, as in the README', async (t) => {
    const { sandbox, env } = await setUp()
    t.after(() => sandbox.remove())
    const app = sandbox.start(sandbox.write('app.ts', program('README.md')), env)
    assert.equal(await app.ended, 1)
    assert.match(app.stderr, /ECONNREFUSED/)
  })
})
