import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LoginRevokedError, type SessionInfo, type Sessions, UserLimitError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { altered } from '../adapter-contract/bench.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { deferred, eventually, inParallel } from '../support/http.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { Browser, DATA, type Data, eventsOf, idOf, keepsData, onEveryStore, sessionsOn } from './world.ts'

const TEST = { timeout: 60_000 }

async function countsOf(sessions: Sessions<Data>) {
  const { active, guests, members, users } = await sessions.stats()
  assert.equal(await sessions.count(), active)
  return { active, guests, members, users }
}

onEveryStore('stats', (open) => {
  it('count guests, members and users, after whatever became of them', TEST, async (t) => {
    const { here, there } = await open(t)
    const assertCounts = async (guests: number, members: number, users: number) => {
      for (const sessions of [here, there]) {
        assert.deepEqual(await countsOf(sessions), { active: guests + members, guests, members, users })
      }
    }
    await assertCounts(0, 0, 0)
    const [ada, again, grace] = [new Browser(here), new Browser(there), new Browser(here)]
    await ada.visit(keepsData)
    await grace.visit(keepsData)
    await assertCounts(2, 0, 0)
    await ada.login('ada')
    await assertCounts(1, 1, 1)
    await again.login('ada')
    await grace.login('grace')
    await assertCounts(0, 3, 2)
    await ada.login('ada')
    await ada.visit((session) => session.rotate())
    await assertCounts(0, 3, 2)
    await ada.visit((session) => session.logout())
    await assertCounts(0, 2, 2)
    await again.login('grace')
    await assertCounts(0, 2, 1)
    await here.user('grace').revokeAll()
    await assertCounts(0, 0, 0)
  })

  it('leave out what has expired by itself, to the last session of a user', TEST, async (t) => {
    const { here } = await open(t)
    const brief = { idleTimeout: 300 }
    await here.create({}, brief)
    for (const userId of ['ada', 'grace']) await here.create({}, { userId, ...brief })
    await here.create({}, { userId: 'ada' })
    await eventually(async () => (await here.count()) === 1)
    assert.deepEqual(await countsOf(here), { active: 1, guests: 0, members: 1, users: 1 })
  })

  it('tell what this process has done, by event and cause', TEST, async (t) => {
    const { here, there } = await open(t, { maxPerUser: { limit: 2, whenFull: 'refuse' } })
    assert.deepEqual((await here.stats()).process, {})
    const ada = new Browser(here)
    await ada.visit(keepsData)
    await ada.login('ada')
    await ada.login('ada')
    await ada.visit((session) => session.rotate())
    await here.create({}, { userId: 'ada' })
    await assert.rejects(here.create({}, { userId: 'ada' }), UserLimitError)
    await there.create()
    await ada.visit((session) => session.revokeOthers())
    await ada.visit((session) => session.logout())
    const { process } = await here.stats()
    assert.deepEqual(process, {
      created: { request: 1 },
      login: { login: 1, create: 1 },
      destroyed: { login: 1, logout: 1 },
      rotated: { login: 1, rotate: 1 },
      refused: { limit: 1 },
      revoked: { others: 1 },
    })
    // What is done with the answer changes nothing here.
    assert.ok(process.created)
    process.created.request = 100
    assert.equal((await here.stats()).process.created?.request, 1)
    assert.deepEqual((await there.stats()).process, { created: { create: 1 } })
  })
})

onEveryStore('recent sessions', (open) => {
  /** Every page, one after the other. */
  async function pages(sessions: Sessions<Data>, size: number): Promise<SessionInfo[][]> {
    const all: SessionInfo[][] = []
    for (let after: SessionInfo | undefined; ; after = all.at(-1)?.at(-1)) {
      const page = await sessions.recent(size, after === undefined ? {} : { after })
      if (page.length === 0) return all
      all.push(page)
    }
  }

  it('come in pages, 1,000 of them each exactly once, those of one millisecond too', TEST, async (t) => {
    const { here, there } = await open(t, { maxPerUser: 1000 })
    const ids = new Set<string>()
    await inParallel(1000, 100, async (i) => {
      // Many of one partition and one millisecond, too.
      const options = i % 3 === 0 ? {} : { userId: i % 3 === 1 ? 'ada' : `user ${i}` }
      ids.add((await here.create({}, options)).id)
    })
    const listed = await pages(there, 50)
    assert.deepEqual(
      listed.map(({ length }) => length),
      Array(20).fill(50),
    )
    const all = listed.flat()
    assert.deepEqual(new Set(all.map(({ id }) => id)), ids)
    const instants = new Set(all.map(({ lastAccessedAt }) => lastAccessedAt))
    assert.ok(instants.size < 1000, 'no two of one millisecond: the test proves nothing')
    const sorted = all.toSorted((a, b) => b.lastAccessedAt - a.lastAccessedAt || (a.id < b.id ? 1 : -1))
    assert.deepEqual(all, sorted)
    assert.deepEqual((await pages(here, 333)).flat(), all)
    assert.deepEqual(await here.recent(1000), all)
  })

  it('do not come twice when they are accessed between two pages', TEST, async (t) => {
    const { here } = await open(t, { touchInterval: 0 })
    const tokens: string[] = []
    for (let i = 0; i < 10; i++) {
      tokens.push((await here.create()).token)
      await pause(2)
    }
    const first = await here.recent(5)
    await here.touch(tokens[0] ?? '')
    await here.destroy(tokens[1] ?? '')
    const second = await here.recent(5, { after: first[4] as SessionInfo })
    assert.equal(second.length, 3)
    assert.equal(new Set([...first, ...second].map(({ id }) => id)).size, 8)
  })

  it('hold of the data what is asked for', TEST, async (t) => {
    const { here } = await open(t)
    const { id } = await here.create({ name: DATA, views: 3 }, { userId: 'ada', device: 'laptop' })
    const [bare] = await here.recent()
    assert.deepEqual([bare?.id, bare?.device, bare?.data], [id, 'laptop', {}])
    const [one] = await here.recent(1, { fields: ['views'] })
    assert.deepEqual(one?.data, { views: 3 })
    const [both] = await here.recent(1, { fields: ['views', 'name'] })
    assert.deepEqual(both?.data, { views: 3, name: DATA })
    assert.deepEqual((await here.recent(1, { fields: ['toString' as never] }))[0]?.data, {})
  })

  it('refuse what cannot be asked for', TEST, async (t) => {
    const { here } = await open(t)
    for (const limit of [0, -1, 1.5, 1001, Number.NaN, '5' as never]) {
      await assert.rejects(here.recent(limit), { code: 'ERR_ARGUMENT' })
    }
    for (const lastAccessedAt of [Number.NaN, Infinity, undefined as never, '1' as never]) {
      await assert.rejects(here.recent(5, { after: { id: 'x', lastAccessedAt } }), { code: 'ERR_ARGUMENT' })
    }
    for (const field of ['user_id', '_v', '']) {
      await assert.rejects(here.recent(5, { fields: [field as never] }), { name: 'FieldError' })
    }
  })
})

onEveryStore('countByIdleAge', (open) => {
  it('counts those accessed within each time', TEST, async (t) => {
    const { here, there } = await open(t, { touchInterval: 0 })
    const { token } = await here.create()
    await there.create({}, { userId: 'ada' })
    await pause(300)
    await there.create({}, { userId: 'ada' })
    const asked = performance.now()
    const [within, all] = await here.countByIdleAge([250, '1h'])
    assert.equal(all, 3)
    // On a machine that was too busy to ask in time, there is nothing to see.
    if (performance.now() - asked < 200) assert.equal(within, 1)
    await here.touch(token)
    assert.deepEqual(await there.countByIdleAge(['10s', '1h']), [3, 3])
    assert.deepEqual(await here.countByIdleAge([]), [])
    await assert.rejects(here.countByIdleAge([0]), { code: 'ERR_ARGUMENT' })
    await assert.rejects(here.countByIdleAge(['soon']), { code: 'ERR_ARGUMENT' })
  })

  it('leaves out who has logged out, and what has expired unseen', TEST, async (t) => {
    const { here } = await open(t)
    const { token } = await here.create()
    for (let i = 0; i < 20; i++) await here.create({}, { idleTimeout: 50, ...(i % 2 && { userId: `user ${i}` }) })
    const { id } = await here.create()
    await here.destroy(token)
    await eventually(async () => (await here.countByIdleAge(['1h']))[0] === 1)
    assert.deepEqual(
      (await here.recent()).map((session) => session.id),
      [id],
    )
  })
})

onEveryStore('revokeEveryone', (open) => {
  it('ends every session, guests and members, tells of each, and refuses logins under way', TEST, async (t) => {
    const { here, there } = await open(t)
    const events = await eventsOf(there)
    const ids = new Set<string>()
    await inParallel(300, 50, async (i) => {
      ids.add((await (i % 2 ? here : there).create({ name: DATA }, i % 3 ? { userId: `user ${i % 50}` } : {})).id)
    })
    const [grace, arrived, checked] = [new Browser(there), deferred(), deferred()]
    await grace.visit(keepsData)
    ids.add((await grace.visit(idOf)).result)
    // The password is being verified.
    const login = grace.visit(async (session) => {
      arrived.resolve()
      await checked.promise
      await session.login('grace')
    })
    await arrived.promise
    assert.equal(await here.revokeEveryone({ actor: 'root' }), 301)
    checked.resolve()
    await assert.rejects(login)
    const late = new Browser(there)
    const refused = late.visit(async (session) => {
      await here.revokeEveryone()
      await session.login('grace')
    })
    await assert.rejects(refused, LoginRevokedError)
    assert.deepEqual(await countsOf(here), { active: 0, guests: 0, members: 0, users: 0 })
    assert.deepEqual([await here.recent(), await here.user('user 1').list()], [[], []])
    const revoked = () => events.filter(({ type, cause }) => type === 'revoked' && cause === 'everyone')
    await eventually(() => revoked().length >= 301)
    assert.deepEqual(
      revoked()
        .map(({ id }) => id)
        .toSorted(),
      [...ids].toSorted(),
    )
    assert.ok(revoked().every(({ actor }) => actor === 'root'))
    // Afterwards life goes on.
    await late.login('grace')
    assert.deepEqual(await countsOf(there), { active: 1, guests: 0, members: 1, users: 1 })
  })
})

describe('revokeEveryone', () => {
  it('ends those too that get another id after they were listed, with no grace for the old one', TEST, async () => {
    const store = memoryStore()
    const calm = sessionsOn(store)
    const [ada, guest] = [new Browser(calm), new Browser(calm)]
    await ada.login('ada')
    await guest.visit(keepsData)
    const partition: typeof store.partition = async (...args) => {
      const refs = await store.partition(...args)
      for (const { userId } of refs) {
        if (userId === null) await guest.visit((session) => session.rotate())
        else await ada.visit((session) => session.setRoles(['admin']))
        if (userId !== null) await ada.login('ada')
      }
      return refs
    }
    assert.equal(await sessionsOn(altered(store, { partition })).revokeEveryone(), 2)
    assert.equal(await calm.count(), 0)
  })
})

describe('without monitoring', () => {
  const redis = useRedis()

  it('all but lists and ages of all sessions works', TEST, async (t) => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix, monitoring: false })
    const sessions = sessionsOn(store)
    t.after(() => sessions.close())
    const [ada, guest] = [new Browser(sessions), new Browser(sessions)]
    await guest.visit(keepsData)
    await ada.login('ada', { deviceId: 'laptop' })
    await ada.visit((session) => session.rotate())
    assert.deepEqual(await countsOf(sessions), { active: 2, guests: 1, members: 1, users: null })
    assert.equal((await ada.visit((session) => session.devices())).result.length, 1)
    assert.equal(await sessions.user('ada').setRoles(['admin']), 1)
    const monitoring = { name: 'ConfigError', code: 'ERR_CONFIG', message: /monitoring: true/ }
    await assert.rejects(sessions.recent(), monitoring)
    await assert.rejects(sessions.countByIdleAge(['1h']), monitoring)
    const keys = await redis.client.keys(`${prefix}*`)
    assert.deepEqual(
      keys.filter((key) => /:(?:seen|users)$/.test(key)),
      [],
    )
    assert.equal(await sessions.revokeEveryone(), 2)
    assert.deepEqual(await countsOf(sessions), { active: 0, guests: 0, members: 0, users: null })
    await assertEveryKeyExpires(redis.client)
  })
})
