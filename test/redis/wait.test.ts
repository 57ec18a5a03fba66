import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ConfigError, createSessions, type Sessions, type SessionsOptions, StoreError } from '../../src/index.ts'
import { type RedisStoreOptions, redisStore } from '../../src/redis.ts'
import { block } from '../docs/pages.ts'
import { type Replicated, startReplicated } from '../support/redis-replica.ts'
import { assertEveryKeyExpires, type RedisClient } from '../support/redis-server.ts'
import { CLIENTS } from './clients.ts'
import { assertConsistent } from './consistency.ts'
import { keysOf, newPrefix } from './support.ts'

// `waitForReplicas`: what begins or ends a login is acknowledged only when a replica has it too.

const { EVERY_CLIENT } = process.env
const clients = Object.entries(CLIENTS).filter(([name]) => EVERY_CLIENT || ['node-redis 6', 'ioredis 6'].includes(name))

/** Longer than any answer takes without waiting, as the network between master and replica is that slow. */
const SLOW = 60

interface Data {
  cart: string
  views: number
}

type Request = Awaited<ReturnType<typeof requestOf>>

/** A request with the cookie of this token. */
async function requestOf(sessions: Sessions<Data>, token: string | null) {
  const request = {}
  const state = await sessions.openRequest(request, token === null ? undefined : `__Host-sid=${token}`)
  const session = sessions.of(request)
  return { session, tokenAfter: () => /^[^=]+=([^;]+)/.exec(state.takeCookie() ?? '')?.[1] ?? '' }
}

for (const [name, newClient] of clients) {
  describe(`redisStore that waits for a replica, with ${name},`, { timeout: 120_000 }, () => {
    let redis: Replicated
    before(async () => {
      redis = await startReplicated()
    })
    after(() => redis.stop())

    async function open(
      t: TestContext,
      also: RedisStoreOptions = {},
      options: Pick<SessionsOptions, 'storeTimeout'> = {},
    ) {
      const client = newClient(redis.master.url)
      await client.connect()
      t.after(() => client.destroy())
      const prefix = newPrefix()
      const sent: string[] = []
      const onCommand = ([name = '']: readonly string[]) => sent.push(name)
      const store = redisStore(client.client, { prefix, waitForReplicas: 1, onCommand, ...also })
      const sessions = createSessions<Data>({ store, storeTimeout: '5s', ...options })
      t.after(() => sessions.close())
      const exists = async (at: RedisClient, id: string | null) =>
        (await at.exists(keysOf(prefix, id ?? '').session)) === 1
      return { sessions, prefix, sent, waits: () => sent.splice(0).filter((word) => word === 'WAIT').length, exists }
    }

    const freeze = (t: TestContext) => {
      process.kill(redis.replica.pid, 'SIGSTOP')
      t.after(() => process.kill(redis.replica.pid, 'SIGCONT'))
    }

    it('answers logins, logouts, revokes and roles when the replica has them', async (t) => {
      const { sessions, prefix, exists } = await open(t)
      const { atReplica, network } = redis
      network.setDelay(SLOW)
      t.after(() => network.setDelay(0))
      const isThere = (id: string | null) => exists(atReplica, id)
      const rolesOf = (id: string) => atReplica.hGet(keysOf(prefix, id).session, 'roles')
      const begin = (userId: string) => sessions.create({}, { userId })

      const one = await begin('ada')
      assert.equal(await isThere(one.id), true)
      const { session, tokenAfter } = await requestOf(sessions, one.token)
      await session.login('ada')
      assert.equal(await isThere(session.id), true, 'a step-up')
      assert.notEqual(session.id, one.id)
      await session.setRoles(['editor'])
      assert.equal(await rolesOf(session.id ?? ''), '["editor"]')
      await sessions.user('ada').setRoles(['reader'])
      assert.equal(await rolesOf(session.id ?? ''), '["reader"]')
      const { id } = session
      assert.ok(tokenAfter())
      await session.logout()
      assert.equal(await isThere(id), false)

      const [a, b, c] = [await begin('bob'), await begin('bob'), await begin('bob')]
      await sessions.revoke(a.id)
      assert.equal(await isThere(a.id), false)
      await sessions.user('bob').revokeOthers(b.id)
      assert.deepEqual([await isThere(b.id), await isThere(c.id)], [true, false])
      await sessions.user('bob').revokeAll()
      assert.equal(await isThere(b.id), false)

      // Of a visitor: another partition.
      const visitor = await sessions.create({ cart: 'umbrella' })
      const visit: Request = await requestOf(sessions, visitor.token)
      await visit.session.login('carol')
      assert.deepEqual([await isThere(visitor.id), await isThere(visit.session.id)], [false, true])
      await sessions.revokeEveryone()
      assert.equal(await isThere(visit.session.id), false)
      await assertConsistent(redis.atMaster, prefix)
    })

    it('waits for nothing else', async (t) => {
      const { sessions, waits } = await open(t)
      const { token, id } = await sessions.create({ views: 1 })
      await sessions.load(token)
      await sessions.touch(token)
      await sessions.increment(token, 'views')
      await sessions.set(token, { views: 5 })
      await sessions.find(id)
      await sessions.rotate(token)
      await sessions.count()
      await sessions.user('ada').list()
      assert.equal(waits(), 0)
      await sessions.create({}, { userId: 'ada' })
      assert.equal(waits(), 1)
    })

    it('fails within the deadline while the replica is away, and leaves no session that nobody has', async (t) => {
      const { sessions, exists, prefix } = await open(t, {}, { storeTimeout: '600ms' })
      const made = await Promise.all(['eve', 'eve', 'eve'].map((userId) => sessions.create({}, { userId })))
      const [one, two] = made as [(typeof made)[0], (typeof made)[0]]
      const request = await requestOf(sessions, two.token)
      freeze(t)
      const fails = async (what: string, run: () => Promise<unknown>, deadlines = 1) => {
        const started = performance.now()
        const error = await run().then(
          () => assert.fail(`${what} succeeded`),
          (error) => error,
        )
        assert.ok(error instanceof StoreError, `${what}: ${error}`)
        assert.deepEqual([error.code, error.outcome, error.status], ['ERR_STORE_REPLICAS', 'unknown', 503], what)
        assert.ok(performance.now() - started < deadlines * 600 + 2000, 'a busy machine is late by less than this')
      }
      let begun: string | null = null
      await fails('a login', async () => {
        const before = new Set(await namesOf(redis.atMaster, prefix))
        const creating = sessions.create({}, { userId: 'mallory' })
        creating.catch(() => undefined)
        while (begun === null) begun = (await namesOf(redis.atMaster, prefix)).find((name) => !before.has(name)) ?? null
        await creating
      })
      const soon = performance.now() + 10_000
      while ((await redis.atMaster.exists(String(begun))) === 1) {
        assert.ok(performance.now() < soon, 'a session that nobody has is still there')
        await pause(5)
      }
      assert.deepEqual(await sessions.user('mallory').list(), [])

      await fails('new roles', () => request.session.setRoles(['editor']))
      while ((await sessions.user('eve').list()).length > 2) await pause(5)
      await fails('a logout', () => request.session.logout())
      // Gone from the browser whatever the answer, as from the master.
      assert.equal(request.tokenAfter(), '')
      await fails('a revoke', () => sessions.revoke(one.id))
      assert.equal(await exists(redis.atMaster, one.id), false)
      // Who asks again is not told that all is well as long as it is not.
      await fails('the same revoke again', () => sessions.revoke(one.id))
      await fails('log out everywhere', () => sessions.user('eve').revokeAll())
      // What has nothing to wait for is served meanwhile.
      const { token } = await sessions.create({ views: 1 })
      assert.equal((await sessions.load(token))?.data.views, 1)
      process.kill(redis.replica.pid, 'SIGCONT')
      assert.equal(await sessions.revoke(one.id), false)
      assert.equal(await exists(redis.atReplica, one.id), false)
    })

    it('shares one WAIT among those who come while another one runs', async (t) => {
      const { sessions, waits } = await open(t)
      await sessions.create({}, { userId: 'first' })
      waits()
      await Promise.all(Array.from({ length: 200 }, (_, i) => sessions.create({}, { userId: `user ${i}` })))
      const count = waits()
      t.diagnostic(`${count} WAITs`)
      assert.ok(count >= 1 && count <= 20, `${count} WAITs`)
      assert.ok((await assertEveryKeyExpires(redis.atMaster)) > 0)
    })

    it('connects when there is something to wait for, again when that is lost, and never after it is closed', async (t) => {
      const { sessions, waits } = await open(t)
      const waiting = async () => {
        const list = String(await redis.atMaster.sendCommand(['CLIENT', 'LIST', 'TYPE', 'normal']))
        return [...list.matchAll(/id=(\d+) .* cmd=wait /g)].map(([, id = '']) => id)
      }
      const { token } = await sessions.create({ views: 1 })
      assert.deepEqual(await waiting(), [])
      await sessions.create({}, { userId: 'ada' })
      const [first = ''] = await waiting()
      assert.ok(first)
      await redis.atMaster.sendCommand(['CLIENT', 'KILL', 'ID', first])
      await sessions.create({}, { userId: 'ada' })
      const ids = await waiting()
      assert.equal(ids.length, 1)
      assert.notEqual(ids[0], first)
      // Lost while others wait.
      redis.network.setDelay(SLOW)
      t.after(() => redis.network.setDelay(0))
      waits()
      const logins = Promise.all(['a', 'b', 'c'].map((userId) => sessions.create({}, { userId })))
      while (waits() === 0) await pause(1)
      await redis.atMaster.sendCommand(['CLIENT', 'KILL', 'ID', ids[0] ?? ''])
      assert.equal((await logins).length, 3)
      await sessions.destroy(token)
      await sessions.close()
      while ((await waiting()).length > 0) await pause(5)
    })

    it('says when there are too few replicas', async (t) => {
      const two = await open(t, { waitForReplicas: 2 }, { storeTimeout: '2s' })
      const failed = { name: 'StoreError', code: 'ERR_STORE_REPLICAS', message: /only 1 of 2 replicas/ }
      await assert.rejects(two.sessions.create({}, { userId: 'ada' }), failed)
    })

    it('lets logouts through when Redis is out of memory', async (t) => {
      const { sessions, exists } = await open(t)
      const { token, id } = await sessions.create({}, { userId: 'ada' })
      await redis.atMaster.configSet('maxmemory', '1')
      t.after(() => redis.atMaster.configSet('maxmemory', '0'))
      assert.equal(await sessions.destroy(token), true)
      assert.equal(await exists(redis.atReplica, id), false)
    })
  })
}

describe('waiting for replicas', () => {
  it('takes a number of them', () => {
    for (const waitForReplicas of [-1, 0.5, Number.NaN, '1'] as number[]) {
      const client = CLIENTS['node-redis 6']?.('redis://127.0.0.1:1').client
      assert.ok(client)
      assert.throws(() => redisStore(client, { waitForReplicas }), ConfigError)
    }
  })

  it('needs the right to WAIT beside the least rights, and says so', async (t) => {
    const redis = await startReplicated()
    t.after(() => redis.stop())
    const rights = block('docs/production.md', 'acl').trim().split(/\s+/)
    const password = rights.find((word) => word.startsWith('>'))?.slice(1) ?? ''
    await redis.atMaster.sendCommand(rights)
    const client = await redis.master.connect({ username: 'shop', password })
    const sessions = createSessions({ store: redisStore(client, { waitForReplicas: 1 }) })
    t.after(() => sessions.close())
    const failed = { name: 'StoreError', code: 'ERR_STORE_REPLICAS', message: /\+wait/ }
    await assert.rejects(sessions.create({}, { userId: 'ada' }), failed)
    await redis.atMaster.sendCommand(['ACL', 'SETUSER', 'shop', '+wait'])
    await redis.atMaster.sendCommand(['ACL', 'LOG', 'RESET'])
    const { token } = await sessions.create({}, { userId: 'ada' })
    assert.equal(await sessions.destroy(token), true)
    // The client tells servers that can hear it who it is, and is not told whether it may.
    const refused = (await redis.atMaster.aclLog()).filter(({ object }) => object !== 'client|setinfo')
    assert.deepEqual(refused, [])
  })
})

/** The keys of all sessions under a prefix. */
async function namesOf(client: RedisClient, prefix: string): Promise<string[]> {
  const keys = await client.keys(`${prefix}*`)
  return keys.filter((key) => /:[\w-]{22}$/.test(key))
}
