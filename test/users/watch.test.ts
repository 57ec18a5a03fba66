import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { newToken } from '../../src/core/token.ts'
import { type SessionEnd, Watches } from '../../src/core/watches.ts'
import type { Sessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { operationsOn, testStore } from '../core/support.ts'
import { monitor, newPrefix, warningsOf } from '../redis/support.ts'
import { deferred, eventually } from '../support/http.ts'
import { type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { Browser, clientOf, type Data, idOf, keepsData, onEveryStore, sessionsOn, type World } from './world.ts'

const TEST = { timeout: 60_000 }

/** How a watched session ended, once that is told; nothing is told twice. */
function watching(sessions: Sessions<Data>, id: string) {
  const ends: SessionEnd[] = []
  const ready = sessions.watch(id, (end) => ends.push(end))
  return {
    ends,
    ready,
    async end(): Promise<SessionEnd> {
      await ready
      await eventually(() => ends.length > 0)
      await pause(20)
      assert.equal(ends.length, 1)
      return ends[0] as SessionEnd
    },
  }
}

/** Ways in which a session of ada's ends, by the cause that is told. */
const ENDS: Record<string, (world: World, ada: Browser, id: string) => Promise<unknown>> = {
  logout: (_, ada) => ada.visit((session) => session.logout()),
  destroy: ({ here }, ada) => here.destroy(ada.token ?? ''),
  revoke: ({ here }, _, id) => here.revoke(id),
  all: ({ here }) => here.user('ada').revokeAll(),
  others: async ({ here }) => here.user('ada').revokeOthers((await here.create({}, { userId: 'ada' })).id),
  device: ({ here }) => here.user('ada').revokeDevice('laptop'),
  everyone: ({ here }) => here.revokeEveryone(),
  login: (_, ada) => ada.login('grace'),
  limit: async ({ here }) => {
    for (let i = 0; i < 3; i++) await here.create({}, { userId: 'ada' })
  },
}

onEveryStore('a watched session', (open) => {
  for (const [cause, endIt] of Object.entries(ENDS)) {
    it(`that ends by ${cause} is told in every process, once, with its last id`, TEST, async (t) => {
      const world = await open(t, { maxPerUser: 3 })
      const ada = new Browser(world.here)
      const id = await ada.login('ada', { deviceId: 'laptop' })
      const watches = [watching(world.here, id), watching(world.there, id), watching(world.there, id)]
      await Promise.all(watches.map(({ ready }) => ready))
      await pause(2)
      await endIt(world, ada, id)
      for (const watch of watches) assert.deepEqual(await watch.end(), { id, cause })
    })
  }

  it('is followed over rotations and logins of the same user, however many', TEST, async (t) => {
    const { here, there } = await open(t)
    const ada = new Browser(here)
    const first = await ada.login('ada')
    const watches = [watching(here, first), watching(there, first)]
    await Promise.all(watches.map(({ ready }) => ready))
    for (let i = 0; i < 3; i++) {
      await ada.visit((session) => session.rotate())
      await ada.login('ada')
      await ada.visit((session) => session.setRoles([`role ${i}`]))
    }
    const { result: last } = await ada.visit(idOf)
    // Who comes later, with an id from before, is told of the same end.
    watches.push(watching(there, first), watching(here, last))
    await Promise.all(watches.map(({ ready }) => ready))
    assert.deepEqual(
      watches.map(({ ends }) => ends.length),
      [0, 0, 0, 0],
    )
    await here.revoke(last)
    for (const watch of watches) assert.deepEqual(await watch.end(), { id: last, cause: 'revoke' })
  })

  it('is told when it has expired, and not before; watching does not extend it', TEST, async (t) => {
    const { here, there } = await open(t)
    const { token, id } = await here.create({}, { idleTimeout: 400 })
    const began = performance.now()
    const watches = [watching(here, id), watching(there, id)]
    await Promise.all(watches.map(({ ready }) => ready))
    let ended = 0
    for (const watch of watches) assert.deepEqual(await watch.end(), { id, cause: 'expired' })
    ended = performance.now()
    assert.ok(ended - began >= 395, `told after ${ended - began} ms`)
    assert.equal(await here.peek(token), null)
  })

  it('that is in use elsewhere is not told early', TEST, async (t) => {
    const { here, there } = await open(t, { touchInterval: 0 })
    const { token, id } = await here.create({}, { idleTimeout: 500 })
    const watch = watching(there, id)
    await watch.ready
    let last = 0
    for (let i = 0; i < 12; i++) {
      last = performance.now()
      // On a machine that was too busy to send it in time, there is nothing to see.
      if (!(await here.touch(token))) return
      await pause(100)
    }
    assert.deepEqual(await watch.end(), { id, cause: 'expired' })
    assert.ok(performance.now() - last >= 495)
  })

  it('that a login gives a shorter life is told at its new end', TEST, async (t) => {
    const { here, there } = await open(t)
    const ada = new Browser(here)
    const first = await ada.login('ada')
    const watch = watching(there, first)
    await watch.ready
    const id = await ada.login('ada', { remember: { idleTimeout: 300, lifetime: 300 } })
    assert.deepEqual(await watch.end(), { id, cause: 'expired' })
  })

  it('that has ended already, or never was, is told soon', TEST, async (t) => {
    const { here, there } = await open(t)
    const { id } = await here.create()
    await here.revoke(id)
    for (const gone of [id, 'x'.repeat(24), '', 'no id', newToken()]) {
      assert.deepEqual(await watching(there, gone).end(), { id: gone, cause: 'expired' })
    }
  })

  it('is not told to who has stopped watching', TEST, async (t) => {
    const { here, there } = await open(t)
    const { id } = await here.create()
    const [stopped, going] = [[] as SessionEnd[], watching(there, id)]
    const stop = await there.watch(id, (end) => stopped.push(end))
    await going.ready
    stop()
    stop()
    await here.revoke(id)
    await going.end()
    assert.deepEqual(stopped, [])
  })

  it('is told to all who watch although one of them throws', TEST, async (t) => {
    const { here } = await open(t)
    const ada = new Browser(here)
    await ada.visit(keepsData)
    const { result: id } = await ada.visit(idOf)
    await here.watch(id, () => {
      throw new Error('the stream is closed')
    })
    const watch = watching(here, id)
    await watch.ready
    const warnings = await warningsOf(
      async () => {
        assert.equal((await ada.visit((session) => session.logout())).cookie, 'cleared')
        assert.deepEqual(await watch.end(), { id, cause: 'logout' })
      },
      (warnings) => warnings.some(({ code }) => code === 'COATCHECK_LISTENER'),
    )
    assert.equal(warnings.filter(({ code }) => code === 'COATCHECK_LISTENER').length, 1)
  })
})

describe('watching', () => {
  let server: RedisServer
  let observer: RedisClient
  before(async () => {
    server = await startRedis()
    observer = await server.connect()
  })
  after(() => server.stop())

  /** Kills the connection that listens, and keeps it from coming back until told. */
  async function deafen(): Promise<{ hear(): Promise<void> }> {
    const listeners = async () => (await observer.clientList()).filter((client) => client.sub > 0)
    assert.equal((await listeners()).length, 1)
    const most = (await observer.configGet('maxclients')).maxclients ?? ''
    await observer.configSet('maxclients', String((await observer.clientList()).length - 1))
    await observer.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
    await eventually(async () => (await listeners()).length === 0)
    return {
      async hear() {
        await observer.configSet('maxclients', most)
        await eventually(async () => (await listeners()).length === 1)
      },
    }
  }

  it('asks Redis nothing while nothing happens, however many watch', TEST, async (t) => {
    const sessions = sessionsOn(redisStore(await clientOf(t, server), { prefix: newPrefix() }))
    t.after(() => sessions.close())
    const ids = await Promise.all(Array.from({ length: 200 }, async () => (await sessions.create()).id))
    let ended = 0
    await Promise.all(ids.map((id) => sessions.watch(id, () => ended++)))
    const redis = await monitor(server, observer)
    t.after(() => redis.stop())
    await redis.sent()
    await pause(1500)
    assert.deepEqual(await redis.sent(), [])
    assert.equal(await sessions.revokeEveryone(), 200)
    assert.equal(ended, 200)
  })

  it('looks once at a session that many watch', TEST, async (t) => {
    const reads: string[] = []
    const onCommand = ([name, key]: readonly string[]) => {
      if (name === 'HGETALL') reads.push(key ?? '')
    }
    const sessions = sessionsOn(redisStore(await clientOf(t, server), { prefix: newPrefix(), onCommand }))
    t.after(() => sessions.close())
    const { id } = await sessions.create({}, { idleTimeout: 500 })
    let ended = 0
    await Promise.all(Array.from({ length: 100 }, () => sessions.watch(id, () => ended++)))
    const first = reads.splice(0).length
    assert.ok(first <= 2, `${first} looks at the beginning`)
    await eventually(() => ended > 0)
    assert.equal(ended, 100)
    // Both clocks may differ by a millisecond or two.
    assert.ok(reads.length >= 1 && reads.length <= 4, `${reads.length} looks at the end`)
  })

  it(
    'looks again after the connection that listens was lost: what ended or moved meanwhile is told',
    TEST,
    async (t) => {
      const prefix = newPrefix()
      const here = sessionsOn(redisStore(await clientOf(t, server), { prefix }))
      const there = sessionsOn(redisStore(await clientOf(t, server), { prefix }))
      t.after(() => Promise.all([here.close(), there.close()]))
      const [ada, grace] = [new Browser(here), new Browser(here)]
      const ended = watching(there, await ada.login('ada'))
      const moved = watching(there, await grace.login('grace'))
      await Promise.all([ended.ready, moved.ready])

      const deaf = await deafen()
      await ada.visit((session) => session.logout())
      // Once with grace for the old id, once without.
      await grace.visit((session) => session.rotate())
      const last = await grace.login('grace')
      assert.deepEqual([ended.ends, moved.ends], [[], []])
      await deaf.hear()
      assert.equal((await ended.end()).cause, 'expired')
      // The other goes on under its new id.
      assert.deepEqual(moved.ends, [])
      await grace.visit((session) => session.logout())
      assert.deepEqual(await moved.end(), { id: last, cause: 'logout' })
    },
  )

  it('is told of what this process itself has done, and never had an answer to', TEST, async (t) => {
    const prefix = newPrefix()
    const client = await clientOf(t, server)
    const sessions = sessionsOn(redisStore(client, { prefix }), { storeTimeout: 400 })
    t.after(() => sessions.close())
    const { id } = await sessions.create()
    const watch = watching(sessions, id)
    await watch.ready
    // From now on what this client sends arrives, and what Redis answers does not.
    client.sendCommand(['CLIENT', 'REPLY', 'OFF']).catch(() => undefined)
    await assert.rejects(sessions.revoke(id), { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
    assert.deepEqual(await watch.end(), { id, cause: 'revoke' })
  })
})

describe('watches', () => {
  it('fail with the error of the store, and leave nothing behind', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 50 })
    const watches = new Watches(operations, operations.events)
    const { id } = await sessionsOn(store).create()
    store.next('load', () => new Promise(() => undefined))
    const failed: SessionEnd[] = []
    await assert.rejects(
      watches.watch(id, (end) => failed.push(end)),
      { name: 'StoreError', code: 'ERR_STORE_TIMEOUT' },
    )
    await sessionsOn(store).revoke(id)
    assert.deepEqual(failed, [])
  })

  it('tell of an end only to who has been answered, whenever it comes', async (t) => {
    const store = testStore()
    const sessions = sessionsOn(store)
    t.after(() => sessions.close())
    const { id } = await sessions.create()
    const [asked, mayGoOn] = [deferred(), deferred()]
    store.next('load', async (call) => {
      const found = await store.load(id, null, call)
      asked.resolve()
      await mayGoOn.promise
      return found
    })
    const told: string[] = []
    const stopped = sessions.watch(id, () => told.push('told, although stopped')).then((stop) => stop())
    const watched = sessions.watch(id, ({ cause }) => told.push(cause)).then(() => told.push('watching'))
    await asked.promise
    await sessions.revoke(id)
    assert.deepEqual(told, [])
    mayGoOn.resolve()
    await Promise.all([stopped, watched])
    await eventually(() => told.length > 1)
    await pause(20)
    assert.deepEqual(told, ['watching', 'revoke'])
  })
})
