import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LoginRevokedError, SessionEndedError, type SessionStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { altered } from '../adapter-contract/bench.ts'
import { passes } from '../fire/redis-time.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { deferred, eventually, inParallel } from '../support/http.ts'
import { assertEveryKeyExpires, startRedis } from '../support/redis-server.ts'
import { anonymous, Browser, distant, open } from './support.ts'

describe('a Redis that is out of memory', { timeout: 60_000 }, () => {
  for (const [what, userId, count, revoke] of [
    ['a user', 'ada', 2, (sessions) => sessions.user('ada').revokeAll()],
    ['a user without sessions', 'grace', 0, (sessions) => sessions.user('grace').revokeAll()],
    ['everyone', 'ada', 3, (sessions) => sessions.revokeEveryone()],
  ] as readonly [string, string, number, (sessions: ReturnType<typeof open>) => Promise<number>][]) {
    it(`logs ${what} out everywhere all the same, and remembers when`, async (t) => {
      const server = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
      t.after(() => server.stop())
      const client = await server.connect()
      // Without sessions, and without what monitoring keeps, nothing is deleted before the time is written.
      const monitoring = count > 0
      const sessions = open(redisStore(client, { prefix: 'full:', monitoring }))
      const browsers = [new Browser(sessions), new Browser(sessions)]
      for (const browser of browsers) await browser.request((session) => session.login('ada'))
      // A login that began before, and comes when there is room again.
      const late = await anonymous(sessions, { name: 'Ada' })
      await late.request(async (session) => {
        await client.configSet('maxmemory', '1')
        await assert.rejects(client.set('more', 'x'), /OOM/)
        assert.equal(await revoke(sessions), count)
        await client.configSet('maxmemory', '0')
        await assert.rejects(session.login(userId, { data: 'drop' }), LoginRevokedError)
      })
      for (const { token } of browsers) assert.equal((await sessions.load(token as string)) === null, count > 0)
      assert.deepEqual(await sessions.user(userId).list(), [])
      await assertConsistent(client, 'full:', { monitoring })
      await assertEveryKeyExpires(client)
    })
  }

  it('refuses a login with nothing half done, and the visitor goes on with the old session', async (t) => {
    const server = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
    t.after(() => server.stop())
    const client = await server.connect()
    const sessions = open(redisStore(client, { prefix: 'full:' }), { maxPerUser: 1 })
    const other = await sessions.create({ name: 'other' }, { userId: 'ada' })
    const browser = await anonymous(sessions, { name: 'Ada' })
    const store = redisStore(client, { prefix: 'full:' })
    const fill = () => client.configSet('maxmemory', '1')
    for (const [step, far] of [
      ['seal', store],
      // There is room for the seal, and none for the new session.
      ['create', fullAfterSeal(store, fill)],
    ] as const) {
      const before = await server.dump()
      if (step === 'seal') await fill()
      await assert.rejects(
        new Browser(open(far), browser.token).request((session) => session.login('ada')),
        { code: 'ERR_STORE_FULL', outcome: 'none' },
      )
      await client.configSet('maxmemory', '0')
      assert.deepEqual(await server.dump(), before, step)
    }
    assert.ok(await sessions.load(other.token))
    await browser.request((session) => session.login('ada'))
    assert.deepEqual((await sessions.load(browser.token as string))?.data, { name: 'Ada' })
    assert.equal(await sessions.load(other.token), null)
    await assertConsistent(client, 'full:')
  })
})

/** Redis runs out of memory when a login has sealed the session. */
function fullAfterSeal(store: SessionStore, fill: () => Promise<unknown>): SessionStore {
  return altered(store, {
    seal: async (...args) => {
      const reply = await store.seal(...args)
      await fill()
      return reply
    },
  })
}

describe('what is done to all sessions of a user', { timeout: 60_000 }, () => {
  const redis = useRedis()

  for (const where of ['Redis', 'memory'] as const) {
    const openStore = async () => {
      const prefix = newPrefix()
      if (where === 'Redis') {
        const store = redisStore(redis.client, { prefix })
        const tick = (instant: number) => passes(redis.client, instant)
        return { store, tick, check: () => assertConsistent(redis.client, prefix) }
      }
      const store = memoryStore()
      const tick = (instant: number) => eventually(() => (store.now() ?? 0) > instant)
      return { store, tick, check: async () => undefined }
    }

    it(`others are ended for whoever has an id from before a rotation, while its grace lasts, on ${where}`, async () => {
      const { store, tick, check } = await openStore()
      const sessions = open(store, { rotationGrace: 2000 })
      const browser = new Browser(sessions)
      const before = await browser.request((session) => session.login('ada').then(() => session.id ?? ''))
      const other = await sessions.create({}, { userId: 'ada' })
      await browser.request((session) => session.rotate())
      const { id, lastAccessedAt } = (await sessions.load(browser.token as string)) ?? assert.fail()
      assert.notEqual(id, before)
      assert.equal(await sessions.user('ada').revokeOthers(before), 1)
      assert.equal(await sessions.load(other.token), null)
      assert.equal((await sessions.load(browser.token as string))?.id, id)
      const again = await sessions.create({}, { userId: 'ada' })
      await tick(lastAccessedAt + 2000)
      await assert.rejects(sessions.user('ada').revokeOthers(before), SessionEndedError)
      for (const token of [browser.token as string, again.token]) assert.ok(await sessions.load(token))
      assert.equal(await sessions.user('ada').revokeOthers(id), 1)
      await check()
    })

    it(`others are ended while the one that stays is rotated again and again, on ${where}`, async () => {
      const { store, check } = await openStore()
      const [sessions, far] = [open(store), open(distant(2, store))]
      for (let i = 0; i < 50; i++) {
        const browser = new Browser(far)
        const id = await browser.request((session) => session.login('ada').then(() => session.id ?? ''))
        const others = await Promise.all([1, 2].map(() => sessions.create({}, { userId: 'ada' })))
        const [ended] = await Promise.all([
          far.user('ada').revokeOthers(id),
          browser.request((session) => session.rotate()),
        ])
        assert.equal(ended, 2)
        for (const { token } of others) assert.equal(await sessions.load(token), null)
        assert.equal((await sessions.load(browser.token as string))?.userId, 'ada')
        await sessions.user('ada').revokeAll()
      }
      await check()
    })

    it(`roles reach every session, also one that is being rotated or used, on ${where}`, async () => {
      const { store, check } = await openStore()
      const sessions = open(store, { touchInterval: 0 })
      const far = open(distant(3, store), { touchInterval: 0 })
      const browsers = Array.from({ length: 10 }, () => new Browser(far))
      for (const browser of browsers) await browser.request((session) => session.login('ada', { roles: ['admin'] }))
      await Promise.all([
        pause(5).then(() => far.user('ada').setRoles(['reader'])),
        ...browsers.map((browser) =>
          browser.request(async (session) => {
            session.data.name = 'Ada'
            await session.rotate()
          }),
        ),
        // Logins that say so themselves.
        inParallel(20, 5, async () => {
          await new Browser(far).request((session) => session.login('ada', { roles: ['reader'] }))
        }),
      ])
      const list = await sessions.user('ada').list()
      assert.equal(list.length, 30)
      for (const { roles } of list) assert.deepEqual(roles, ['reader'])
      for (const { token } of browsers) assert.deepEqual((await sessions.load(token as string))?.roles, ['reader'])
      await check()
    })

    it(`roles bring back no session that has expired, on ${where}`, async (t) => {
      const { store, check } = await openStore()
      const sessions = open(store)
      t.after(() => sessions.close())
      const expired = await sessions.create({ name: 'Ada' }, { userId: 'ada', idleTimeout: 20 })
      const other = await sessions.create({ name: 'Ada' }, { userId: 'ada' })
      await eventually(async () => (await sessions.find(expired.id)) === null)
      const told: (string | null)[] = []
      sessions.on('roles', ({ id }) => told.push(id))
      await sessions.user('ada').setRoles(['admin'])
      assert.deepEqual(told, [other.id])
      assert.equal(await sessions.find(expired.id), null)
      await check()
    })

    it(`a session is in the list, and ends with its device, also while it is being rotated, on ${where}`, async () => {
      const { store, check } = await openStore()
      const sessions = open(store)
      const far = open(distant(2, store))
      for (let i = 0; i < 50; i++) {
        const browser = new Browser(sessions)
        await browser.request((session) => session.login('ada', { deviceId: 'phone' }))
        const rotating = async () => {
          for (let n = 0; n < 5; n++) await browser.request((session) => session.rotate())
        }
        const listing = async () => {
          for (let n = 0; n < 5; n++) assert.equal((await sessions.user('ada').list()).length, 1)
        }
        await Promise.all([rotating(), listing()])
        const rotation = far.rotate(browser.token as string)
        assert.equal(await far.user('ada').revokeDevice('phone'), 1)
        await rotation.catch((error) => assert.ok(error instanceof SessionEndedError))
        assert.deepEqual(await sessions.user('ada').list(), [])
      }
      await check()
    })

    it(`everyone is logged out everywhere, and a login that had begun is refused when it comes after all, on ${where}`, async () => {
      const { store, check } = await openStore()
      const [arrived, gate] = [deferred(), deferred()]
      const slow = altered(store, {
        create: async (...args) => {
          arrived.resolve()
          await gate.promise
          return store.create(...args)
        },
      })
      const sessions = open(store)
      const browser = await anonymous(sessions)
      const login = new Browser(open(slow), browser.token).request((session) => session.login('ada'))
      await arrived.promise
      assert.equal(await sessions.revokeEveryone(), 1)
      gate.resolve()
      await assert.rejects(login, LoginRevokedError)
      assert.equal(await sessions.count(), 0)
      await check()
    })

    it(`everyone is logged out everywhere, also those whose login had begun, on ${where}`, async (t) => {
      const { store, check } = await openStore()
      const far = open(distant(5, store))
      const sessions = open(store)
      let [refused, alive, ended] = [0, 0, 0]
      for (let round = 0; round < 5; round++) {
        const attempts = Array.from({ length: 20 }, async (_, i) => {
          const browser = await anonymous(far)
          await pause(Math.random() * 120)
          const begun = performance.now()
          const done = await browser
            .request((session) => session.login(`user ${i}`))
            .catch((error) => assert.ok(error instanceof LoginRevokedError || error instanceof SessionEndedError))
            .then(() => true)
          return { begun, done, token: browser.token as string }
        })
        await pause(25)
        const revoked = performance.now()
        await sessions.revokeEveryone()
        const over = performance.now()
        for (const { begun, token } of await Promise.all(attempts)) {
          const session = await sessions.load(token)
          if (session?.userId == null) {
            if (begun < over) refused++
            ended++
            continue
          }
          alive++
          assert.ok(begun >= revoked, `alive, and begun ${revoked - begun} ms before`)
        }
        await sessions.revokeEveryone()
        assert.equal(await sessions.count(), 0)
      }
      t.diagnostic(`${refused} refused, ${ended} ended, ${alive} alive`)
      assert.ok(refused > 3, 'few logins were under way: this proves nothing')
      // And it is over when it is done.
      for (let i = 0; i < 20; i++) {
        await sessions.revokeEveryone()
        const browser = new Browser(sessions)
        await browser.request((session) => session.login(`user ${i}`))
        assert.ok(await sessions.load(browser.token as string))
      }
      await check()
    })
  }
})
