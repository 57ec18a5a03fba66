import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type SessionEvent, type SessionStore, UserLimitError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { passes } from '../fire/redis-time.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { anonymous, Browser, open } from './support.ts'

const LOGINS = 50
const LIMIT = 3

describe('the limit of a user', { timeout: 60_000 }, () => {
  const redis = useRedis()

  /** Several processes on the same sessions, and what looks whether all of it agrees. */
  async function onRedis(): Promise<Opened> {
    const prefix = newPrefix()
    const clients = await Promise.all(Array.from({ length: 10 }, () => redis.server.connect()))
    return {
      stores: clients.map((client) => redisStore(client, { prefix })),
      check: () => assertConsistent(redis.client, prefix),
      tick: async (instant) => passes(redis.client, instant),
    }
  }
  async function inMemory(): Promise<Opened> {
    const store = memoryStore()
    const tick = (instant: number) => eventually(() => (store.now() ?? 0) > instant)
    return { stores: [store], check: async () => undefined, tick }
  }

  for (const [where, openStores] of [
    ['Redis', onRedis],
    ['memory', inMemory],
  ] as const) {
    describe(`on ${where}`, () => limitContract(openStores))
  }
})

interface Opened {
  readonly stores: readonly SessionStore[]
  check(): Promise<void>
  /** Resolves when the store's clock is past an instant. */
  tick(instant: number): Promise<void>
}

function limitContract(openStores: () => Promise<Opened>): void {
  it('leaves of many logins at once exactly the newest, whatever their timeouts', async (t) => {
    const { stores, check } = await openStores()
    const sides = stores.map((store) => open(store, { maxPerUser: LIMIT }))
    t.after(() => Promise.all(sides.map((sessions) => sessions.close())))
    for (let round = 0; round < 5; round++) {
      const userId = `user ${round}`
      const begun = new Map<string, number>()
      const evicted: string[] = []
      for (const sessions of sides) {
        sessions.on('login', ({ id, at, local, userId: of }) => {
          if (local && of === userId) begun.set(id ?? '', at ?? 0)
        })
        sessions.on('evicted', ({ id, local }) => local && evicted.push(id ?? ''))
      }
      await Promise.all(
        Array.from({ length: LOGINS }, (_, i) => {
          // Some expire long before the others: that is the order of the index, and not of the limit.
          const idleTimeout = [3_600_000, 60_000, 86_400_000][i % 3] as number
          const browser = new Browser(sides[i % sides.length] as (typeof sides)[number])
          return browser.request((session) => session.login(userId, { remember: { idleTimeout, lifetime: '30d' } }))
        }),
      )
      const alive = (await sides[0]?.user(userId).list()) ?? []
      assert.equal(alive.length, LIMIT)
      assert.equal(begun.size, LOGINS)
      const gone = [...begun.keys()].filter((id) => alive.every((session) => session.id !== id))
      assert.deepEqual(new Set(evicted.filter((id) => begun.has(id))), new Set(gone))
      const oldest = Math.min(...alive.map(({ createdAt }) => createdAt))
      for (const id of gone) {
        assert.equal(await sides[0]?.find(id), null)
        assert.ok((begun.get(id) ?? 0) <= oldest, 'a newer one has ended')
      }
      await check()
    }
  })

  it('ends the oldest by creation, though it would expire last and was used last', async (t) => {
    const { stores, check, tick } = await openStores()
    const sessions = open(stores[0] as SessionStore, { maxPerUser: LIMIT, touchInterval: 0 })
    t.after(() => sessions.close())
    const evicted: SessionEvent[] = []
    sessions.on('evicted', (event) => evicted.push(event))
    const remembered = new Browser(sessions)
    await remembered.request((session) => session.login('ada', { remember: { idleTimeout: '20d', lifetime: '30d' } }))
    const others: Browser[] = []
    for (let i = 0; i < LIMIT; i++) {
      const latest = (await sessions.user('ada').list()).map(({ createdAt }) => createdAt)
      await tick(Math.max(...latest))
      const id = await remembered.request((session) => session.increment('views').then(() => session.id))
      others.push(new Browser(sessions))
      await others[i]?.request((session) => session.login('ada'))
      assert.deepEqual(
        evicted.map((event) => [event.id, event.userId, event.cause]),
        i < LIMIT - 1 ? [] : [[id, 'ada', 'limit']],
      )
    }
    assert.equal(await sessions.load(remembered.token ?? ''), null)
    for (const { token } of others) assert.ok(await sessions.load(token ?? ''))
    await check()
  })

  it('lets exactly that many of many logins at once in, with refuse, and tells the others', async () => {
    const { stores, check } = await openStores()
    const sides = stores.map((store) => open(store, { maxPerUser: { limit: LIMIT, whenFull: 'refuse' } }))
    const outcomes = await Promise.allSettled(
      Array.from({ length: LOGINS }, (_, i) => {
        const browser = new Browser(sides[i % sides.length] as (typeof sides)[number])
        return browser.request((session) => session.login('ada')).then(() => browser.token)
      }),
    )
    const inside = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    assert.equal(inside.length, LIMIT)
    for (const token of inside) assert.equal((await sides[0]?.load(token ?? ''))?.userId, 'ada')
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue
      assert.ok(outcome.reason instanceof UserLimitError, String(outcome.reason))
      assert.deepEqual([outcome.reason.code, outcome.reason.status], ['ERR_USER_LIMIT', 403])
    }
    assert.equal((await sides[0]?.user('ada').list())?.length, LIMIT)
    await check()
  })

  it('has nothing to do with other users, nor with those without', async () => {
    const { stores, check } = await openStores()
    const sessions = open(stores[0] as SessionStore, { maxPerUser: { limit: 1, whenFull: 'refuse' } })
    const guests = await Promise.all(Array.from({ length: 5 }, () => anonymous(sessions)))
    await Promise.all(['ada', 'grace'].map((userId) => sessions.create({}, { userId })))
    for (const { token } of guests) assert.ok(await sessions.load(token ?? ''))
    await assert.rejects(sessions.create({}, { userId: 'ada' }), UserLimitError)
    await check()
  })

  it('replaces the session on the same device, and that counts for nothing', async (t) => {
    const { stores, check } = await openStores()
    const sessions = open(stores[0] as SessionStore, { maxPerUser: { limit: 2, whenFull: 'refuse' } })
    t.after(() => sessions.close())
    const revoked: SessionEvent[] = []
    sessions.on('revoked', (event) => revoked.push(event))
    const login = async (userId: string, deviceId: string) => {
      const browser = new Browser(sessions)
      const id = await browser.request((session) => session.login(userId, { deviceId }).then(() => session.id))
      return { id, token: browser.token ?? '' }
    }
    const [phone, laptop, hers] = [
      await login('ada', 'phone'),
      await login('ada', 'laptop'),
      await login('eve', 'phone'),
    ]
    const again = await login('ada', 'phone')
    assert.equal(await sessions.load(phone.token), null)
    for (const { token } of [laptop, hers, again]) assert.ok(await sessions.load(token))
    assert.deepEqual(
      revoked.map(({ id, userId, cause }) => [id, userId, cause]),
      [[phone.id, 'ada', 'device']],
    )
    await assert.rejects(login('ada', 'tablet'), UserLimitError)
    await check()
  })

  it('leaves one session of many logins at once on one device', async () => {
    const { stores, check } = await openStores()
    const sides = stores.map((store) => open(store))
    const other = await sides[0]?.create({}, { userId: 'ada', deviceId: 'laptop' })
    const browsers = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const browser = new Browser(sides[i % sides.length] as (typeof sides)[number])
        await browser.request((session) => session.login('ada', { deviceId: 'phone' }))
        return browser
      }),
    )
    const list = (await sides[0]?.user('ada').list()) ?? []
    assert.deepEqual(list.map(({ deviceId }) => deviceId).sort(), ['laptop', 'phone'])
    assert.ok(list.some(({ id }) => id === other?.id))
    const alive = await Promise.all(browsers.map(({ token }) => sides[0]?.load(token ?? '')))
    assert.equal(alive.filter(Boolean).length, 1)
    await check()
  })

  for (const whenFull of ['refuse', 'evict-oldest'] as const) {
    for (const [how, options] of [
      ['that drops its data', { data: 'drop' }],
      ['on another device', { deviceId: 'laptop' }],
      ['that proves it once more', {}],
    ] as const) {
      it(`does not count the session that a login of its user takes over (${how}; ${whenFull})`, async () => {
        const { stores, check, tick } = await openStores()
        const sessions = open(stores[0] as SessionStore, { maxPerUser: { limit: 2, whenFull } })
        const other = new Browser(sessions)
        await other.request((session) => session.login('ada'))
        await tick((await sessions.load(other.token ?? ''))?.createdAt ?? 0)
        const browser = new Browser(sessions)
        await browser.request((session) => session.login('ada', { deviceId: 'phone' }))
        const before = browser.token
        await browser.request((session) => session.login('ada', options))
        assert.equal(await sessions.load(before ?? ''), null)
        assert.ok(await sessions.load(browser.token ?? ''))
        assert.ok(await sessions.load(other.token ?? ''), 'another session has ended for it')
        await check()
      })
    }
  }
}
