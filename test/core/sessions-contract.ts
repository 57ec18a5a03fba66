import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sessions } from '../../src/core/sessions.ts'
import { createSessions, type SessionStore, type SessionsOptions } from '../../src/index.ts'
import { type Open, type OpenStore, onStore } from '../store-contract.ts'

// The API without a request, on every store.

export interface Data {
  name: string
  list: number[]
  views: number
  other: unknown
}

export function open(store: SessionStore, options: Omit<SessionsOptions, 'store' | 'schema'> = {}): Sessions<Data> {
  // How long a store may take is the subject of few tests, and none for a busy machine to decide.
  return createSessions<Data>({ store, storeTimeout: '10s', ...options })
}

/** What is no token: nothing that a store should ever be asked about. */
export const NO_TOKENS = [
  '',
  'x',
  'A'.repeat(42),
  'A'.repeat(44),
  `${'A'.repeat(42)}B`, // Decodes to the same bytes as 43 times A.
  `${'A'.repeat(42)}=`,
  `${'A'.repeat(41)}%41`,
  `${'A'.repeat(42)} `,
  `${'A'.repeat(42)}+`,
  undefined,
  null,
  43,
  {},
] as never[]

const ENDED = { name: 'SessionEndedError', code: 'ERR_SESSION_ENDED', status: 401 }

/** Everything that the API does with a token that leads to no session. */
export async function assertNoSession(sessions: Sessions<Data>, token: string): Promise<void> {
  assert.equal(await sessions.load(token), null)
  assert.equal(await sessions.peek(token), null)
  assert.equal(await sessions.timeToLive(token), null)
  assert.equal(await sessions.touch(token), false)
  assert.equal(await sessions.destroy(token), false)
  await assert.rejects(sessions.set(token, { name: 'late' }), ENDED)
  await assert.rejects(
    sessions.update(token, 'name', () => 'late'),
    ENDED,
  )
  await assert.rejects(sessions.increment(token, 'views'), ENDED)
  await assert.rejects(sessions.setIdleTimeout(token, '1m'), ENDED)
  await assert.rejects(sessions.rotate(token), ENDED)
  assert.equal(await sessions.load(token), null)
}

export function sessionsContract(openStore: Open): void {
  const on = (name: string, test: (sessions: Sessions<Data>, opened: OpenStore) => Promise<void>) =>
    onStore(openStore, name, (opened) => test(open(opened.store), opened))

  describe('sessions without a request', () => {
    on('begin, are read, and tell all about themselves but the token', async (sessions) => {
      const { token, id } = await sessions.create({ name: 'Ada', list: [1] }, { userId: 'ada', idleTimeout: '10m' })
      const session = (await sessions.load(token)) ?? assert.fail()
      const { createdAt } = session
      assert.deepEqual(session, {
        id,
        userId: 'ada',
        createdAt,
        lastAccessedAt: createdAt,
        idleTimeout: 600_000,
        deadline: createdAt + 12 * 3_600_000,
        expiresAt: createdAt + 600_000,
        roles: [],
        authenticatedAt: createdAt,
        device: null,
        deviceId: null,
        ip: null,
        requestCount: 0,
        data: { name: 'Ada', list: [1] },
      })
      assert.deepEqual(await sessions.peek(token), session)
      assert.deepEqual(await sessions.find(id), session)
      assert.ok(!JSON.stringify(session).includes(token))
      const left = (await sessions.timeToLive(token)) ?? assert.fail()
      assert.ok(left > 590_000 && left <= 600_000)
    })

    on('begin with nothing at all, and end no later than their lifetime', async (sessions) => {
      const { token } = await sessions.create()
      const session = (await sessions.load(token)) ?? assert.fail()
      assert.deepEqual([session.data, session.userId, session.idleTimeout], [{}, null, 1_800_000])
      const brief = (await sessions.peek((await sessions.create({}, { lifetime: '5m' })).token)) ?? assert.fail()
      assert.deepEqual([brief.idleTimeout, brief.deadline - brief.createdAt], [300_000, 300_000])
      assert.equal(brief.expiresAt, brief.deadline)
    })

    on('take data of every kind, and give it back as it was', async (sessions) => {
      const other = { deep: [{ a: null, b: true, c: 1.5, d: 'ü\ud83d\ude00', __proto: '' }], empty: {}, s: '\ud800' }
      const { token } = await sessions.create({ name: '42', list: [], views: -0.5, other })
      assert.deepEqual((await sessions.load(token))?.data, { name: '42', list: [], views: -0.5, other })
      const odd = { constructor: 'x', toString: 1, 'a b\n': '\u0000', '{tag}': '"', hasOwnProperty: [] }
      await sessions.set(token, odd as never)
      assert.deepEqual({ ...(await sessions.load(token))?.data }, odd)
    })

    on('refuse options and data that cannot be used, and then begin nothing', async (sessions, { store }) => {
      const argument = { code: 'ERR_ARGUMENT' }
      await assert.rejects(sessions.create({}, { userId: '' }), argument)
      await assert.rejects(sessions.create({}, { userId: 'x'.repeat(257) }), argument)
      await assert.rejects(sessions.create({}, { userId: '\ud800' }), argument)
      await assert.rejects(sessions.create({}, { userId: 7 as never }), argument)
      await assert.rejects(sessions.create({}, { idleTimeout: 0 }), argument)
      await assert.rejects(sessions.create({}, { idleTimeout: -1 }), argument)
      await assert.rejects(sessions.create({}, { idleTimeout: 1e20 }), argument)
      await assert.rejects(sessions.create({}, { idleTimeout: Number.NaN }), argument)
      await assert.rejects(sessions.create({}, { idleTimeout: '13h' }), argument)
      await assert.rejects(sessions.create({}, { lifetime: 'soon' }), argument)
      await assert.rejects(sessions.create({ _v: 1 } as never), { code: 'ERR_FIELD_RESERVED', field: '_v' })
      await assert.rejects(sessions.create({ user_id: 'x' } as never), { code: 'ERR_FIELD_RESERVED' })
      await assert.rejects(sessions.create(JSON.parse('{"__proto__":1}')), { code: 'ERR_FIELD_RESERVED' })
      await assert.rejects(sessions.create({ '': 1 } as never), { code: 'ERR_FIELD_NAME' })
      await assert.rejects(sessions.create({ views: Number.NaN }), { code: 'ERR_FIELD_VALUE', field: 'views' })
      assert.deepEqual(await store.count({} as never), { guests: 0, members: 0 })
    })

    on('refuse a value above the limit, and write nothing of it', async (sessions, { store }) => {
      const narrow = open(store, { maxValueBytes: 100 })
      const { token } = await narrow.create({ name: 'é'.repeat(50) })
      const large = { code: 'ERR_FIELD_TOO_LARGE', field: 'name', message: /maxValueBytes/ }
      await assert.rejects(narrow.create({ name: 'é'.repeat(51) }), large)
      await assert.rejects(narrow.set(token, { name: 'x'.repeat(101) }), large)
      await assert.rejects(
        narrow.update(token, 'name', (name) => `${name}x`),
        large,
      )
      assert.deepEqual((await narrow.peek(token))?.data, { name: 'é'.repeat(50) })
      // By default it is 1 MiB.
      await sessions.set(token, { name: 'x'.repeat(2 ** 20) })
      await assert.rejects(sessions.set(token, { name: 'x'.repeat(2 ** 20 + 1) }), large)
      assert.equal((await sessions.peek(token))?.data.name?.length, 2 ** 20)
      assert.equal(await sessions.count(), 1)
    })

    on('replace all data at once, and drop what is undefined', async (sessions) => {
      const { token } = await sessions.create({ name: 'Ada', views: 1 }, { userId: 'ada' })
      await sessions.set(token, { list: [2], name: undefined } as never)
      const session = await sessions.peek(token)
      assert.deepEqual([session?.data, session?.userId], [{ list: [2] }, 'ada'])
      await assert.rejects(sessions.set(token, { deadline: 5 } as never), { code: 'ERR_FIELD_RESERVED' })
      assert.deepEqual((await sessions.peek(token))?.data, { list: [2] })
    })

    on('update one field by compare and set', async (sessions) => {
      const { token } = await sessions.create({ name: 'Ada' })
      assert.deepEqual(await sessions.update(token, 'list', (list = []) => [...list, 1]), [1])
      assert.deepEqual(await sessions.update(token, 'list', (list = []) => [...list, 2]), [1, 2])
      assert.equal(await sessions.update(token, 'name', () => undefined), undefined)
      assert.deepEqual((await sessions.peek(token))?.data, { list: [1, 2] })
      await assert.rejects(
        sessions.update(token, 'list', () => {
          throw new RangeError('mine')
        }),
        RangeError,
      )
      await assert.rejects(sessions.update(token, 'list', (async () => []) as never), { code: 'ERR_FIELD_VALUE' })
      await assert.rejects(
        sessions.update(token, 'ip' as never, () => undefined),
        { code: 'ERR_FIELD_RESERVED' },
      )
      assert.deepEqual((await sessions.peek(token))?.data, { list: [1, 2] })
    })

    on('count in a field', async (sessions) => {
      const { token } = await sessions.create({ name: 'Ada', other: 1.5 })
      assert.equal(await sessions.increment(token, 'views'), 1)
      assert.equal(await sessions.increment(token, 'views', 41), 42)
      assert.equal(await sessions.increment(token, 'views', -2), 40)
      await assert.rejects(sessions.increment(token, 'name' as never), { code: 'ERR_FIELD_NOT_INTEGER', field: 'name' })
      await assert.rejects(sessions.increment(token, 'other' as never), { code: 'ERR_FIELD_NOT_INTEGER' })
      await assert.rejects(sessions.increment(token, 'views', Number.MAX_SAFE_INTEGER), { code: 'ERR_FIELD_RANGE' })
      for (const by of [1.5, Number.NaN, 2 ** 53, '1' as never, undefined as never].slice(0, 4)) {
        await assert.rejects(sessions.increment(token, 'views', by), { code: 'ERR_ARGUMENT' })
      }
      await assert.rejects(sessions.increment(token, 'roles' as never), { code: 'ERR_FIELD_RESERVED' })
      assert.deepEqual((await sessions.peek(token))?.data, { name: 'Ada', other: 1.5, views: 40 })
    })

    on('change their idle timeout while they run', async (sessions) => {
      const { token } = await sessions.create({ name: 'Ada' })
      await sessions.setIdleTimeout(token, '2m')
      assert.equal((await sessions.peek(token))?.idleTimeout, 120_000)
      assert.ok(((await sessions.timeToLive(token)) ?? Infinity) <= 120_000)
      await assert.rejects(sessions.setIdleTimeout(token, '13h'), { code: 'ERR_ARGUMENT' })
      for (const wrong of [0, -1, 1e20, Number.NaN, 'x', '']) {
        await assert.rejects(sessions.setIdleTimeout(token, wrong), { code: 'ERR_ARGUMENT' })
      }
      assert.equal((await sessions.peek(token))?.idleTimeout, 120_000)
    })

    on('are touched when told to, and when they are loaded and it is due', async (_, { store }) => {
      const seldom = open(store, { touchInterval: '1m' })
      const always = open(store, { touchInterval: 0 })
      const { token } = await seldom.create()
      const { createdAt } = (await seldom.peek(token)) ?? assert.fail()
      await pause(12)
      assert.equal((await seldom.load(token))?.lastAccessedAt, createdAt)
      assert.equal((await seldom.peek(token))?.lastAccessedAt, createdAt)
      assert.equal((await always.peek(token))?.lastAccessedAt, createdAt)
      const loaded = (await always.load(token)) ?? assert.fail()
      assert.ok(loaded.lastAccessedAt >= createdAt + 10)
      assert.equal(loaded.expiresAt, loaded.lastAccessedAt + loaded.idleTimeout)
      // With the touch, the store was told of that load.
      assert.deepEqual(await seldom.peek(token), { ...loaded, requestCount: 1 })
      await pause(12)
      assert.equal(await seldom.touch(token), true)
      const touched = (await seldom.peek(token)) ?? assert.fail()
      assert.ok(touched.lastAccessedAt >= loaded.lastAccessedAt + 10)
      // And now of the one for which no touch was due.
      assert.equal(touched.requestCount, 2)
    })

    on('end by their token', async (sessions, { second }) => {
      const { token, id } = await sessions.create({ name: 'Ada' }, { userId: 'ada' })
      const kept = await sessions.create({}, { userId: 'ada' })
      assert.equal(await open(second).destroy(token), true)
      await assertNoSession(sessions, token)
      assert.equal(await sessions.find(id), null)
      assert.equal(await sessions.revoke(id), false)
      assert.equal(await sessions.count(), 1)
      assert.ok(await sessions.load(kept.token))
    })

    on('end by their id', async (sessions) => {
      const { token, id } = await sessions.create({ name: 'Ada' }, { userId: 'ada' })
      assert.equal(await sessions.revoke(id), true)
      assert.equal(await sessions.revoke(id), false)
      await assertNoSession(sessions, token)
    })

    on('are no sessions for what is no token or no id', async (sessions) => {
      const { token, id } = await sessions.create()
      for (const none of NO_TOKENS) await assertNoSession(sessions, none)
      for (const none of [...NO_TOKENS, token, id.slice(1), `${id}A`, `${id.slice(0, -1)}B`, `zz${id.slice(2)}`]) {
        assert.equal(await sessions.find(none), null)
        assert.equal(await sessions.revoke(none), false)
      }
      await assertNoSession(sessions, id as never)
      assert.equal(await sessions.count(), 1)
    })

    on('list the most recent without their data', async (sessions) => {
      const { id } = await sessions.create({ name: 'Ada' }, { userId: 'ada' })
      const found = (await sessions.find(id)) ?? assert.fail()
      assert.deepEqual(await sessions.recent(), [{ ...found, data: {} }])
      for (const limit of [0, -1, 1001, 1.5, Number.NaN, '5' as never]) {
        await assert.rejects(sessions.recent(limit), { code: 'ERR_ARGUMENT' })
      }
    })

    on('can be used no more once they are closed', async (sessions) => {
      const { token, id } = await sessions.create()
      const closed = { code: 'ERR_STORE_UNAVAILABLE', outcome: 'none' }
      // Closed while what they need is loaded.
      const meanwhile = [sessions.watch(id, () => assert.fail()), sessions.stats(), sessions.revokeEveryone()]
      const refused = Promise.all(meanwhile.map((call) => assert.rejects(call, closed)))
      await sessions.close()
      await sessions.close()
      await refused
      await assert.rejects(
        sessions.watch(id, () => assert.fail()),
        closed,
      )
      await assert.rejects(sessions.revokeEveryone(), closed)
      await assert.rejects(sessions.create(), closed)
      await assert.rejects(sessions.load(token), closed)
      await assert.rejects(sessions.destroy(token), closed)
      await assert.rejects(sessions.find(id), closed)
      await assert.rejects(sessions.count(), closed)
      await assert.rejects(sessions.recent(), closed)
      await assert.rejects(
        sessions.update(token, 'name', () => 'x'),
        closed,
      )
    })
  })

  describe('a rotated token', () => {
    on('is followed by every operation while the grace lasts, over several rotations', async (sessions, { second }) => {
      const old = await sessions.create({ name: 'Ada' }, { userId: 'ada' })
      const middle = await open(second).rotate(old.token)
      assert.ok(middle.token)
      const latest = await sessions.rotate(middle.token)
      assert.ok(latest.token)
      assert.equal((await sessions.load(old.token))?.id, latest.id)
      assert.equal((await sessions.peek(old.token))?.id, latest.id)
      assert.equal((await sessions.find(old.id))?.id, latest.id)
      assert.equal(await sessions.touch(old.token), true)
      assert.equal(await sessions.increment(old.token, 'views'), 1)
      assert.equal(await sessions.update(old.token, 'name', (name) => `${name}!`), 'Ada!')
      await sessions.setIdleTimeout(old.token, '3m')
      assert.ok(((await sessions.timeToLive(old.token)) ?? 0) > 170_000)
      const session = await sessions.peek(latest.token)
      assert.deepEqual([session?.data, session?.idleTimeout], [{ name: 'Ada!', views: 1 }, 180_000])
      await sessions.set(old.token, { list: [] })
      assert.deepEqual((await sessions.peek(latest.token))?.data, { list: [] })
      assert.deepEqual(await sessions.rotate(old.token), { token: null, id: latest.id })
      assert.equal(await sessions.destroy(old.token), true)
      for (const { token } of [old, middle, latest]) await assertNoSession(sessions, token ?? '')
    })

    on('is followed by a revocation of its id', async (sessions) => {
      const { token, id } = await sessions.create({}, { userId: 'ada' })
      const rotated = await sessions.rotate(token)
      assert.equal(await sessions.revoke(id), true)
      assert.equal(await sessions.find(rotated.id), null)
    })

    on('leads nowhere after the grace, and the new one lives', async (_, { store }) => {
      const sessions = open(store, { rotationGrace: 30 })
      const { token } = await sessions.create({ name: 'Ada' })
      const rotated = await sessions.rotate(token)
      while (await sessions.peek(token)) await pause(5)
      await assertNoSession(sessions, token)
      assert.deepEqual((await sessions.load(rotated.token ?? ''))?.data, { name: 'Ada' })
    })

    on('has one successor, which one of 20 rotations at once hands out', async (sessions, { second }) => {
      const both = [sessions, open(second)]
      const { token } = await sessions.create({}, { userId: 'ada' })
      const rotated = await Promise.all(Array.from({ length: 20 }, (_, i) => both[i % 2]?.rotate(token)))
      assert.equal(rotated.filter((one) => one?.token).length, 1)
      assert.equal(new Set(rotated.map((one) => one?.id)).size, 1)
      assert.equal(await sessions.count(), 1)
    })
  })

  describe('many at once', () => {
    on('lose none of 1,000 updates of one array, over two processes', async (sessions, { second }) => {
      const both = [open(second), sessions]
      const { token } = await sessions.create({ list: [] }, { userId: 'ada' })
      const numbers = Array.from({ length: 1000 }, (_, i) => i)
      const lists = await Promise.all(
        numbers.map((i) => both[i % 2]?.update(token, 'list', (list = []) => [...list, i])),
      )
      const stored = (await sessions.peek(token))?.data.list ?? []
      assert.deepEqual(
        stored.toSorted((a, b) => a - b),
        numbers,
      )
      // What each was told is a state that there was: the list up to and with its own number.
      for (const [i, list] of lists.entries()) assert.deepEqual(list, stored.slice(0, stored.indexOf(i) + 1))
    })

    on('lose none of 1,000 increments, over two processes', async (sessions, { second }) => {
      const both = [open(second), sessions]
      const { token } = await sessions.create({ name: 'Ada' })
      const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => both[i % 2]?.increment(token, 'views')))
      assert.equal((await sessions.peek(token))?.data.views, 1000)
      assert.equal(new Set(values).size, 1000)
    })

    on('lose no field of two writers that change different ones', async (sessions, { second }) => {
      const { token } = await sessions.create({ name: '' })
      const other = open(second)
      await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          Promise.all([sessions.update(token, 'name', () => `${i}`), other.increment(token, 'views')]),
        ),
      )
      const data = (await sessions.peek(token))?.data
      assert.equal(data?.views, 100)
      assert.match(data?.name ?? '', /^\d+$/)
    })

    on('never bring back a session that ended among them', async (sessions, { second }) => {
      const other = open(second)
      for (let i = 0; i < 40; i++) {
        const { token } = await sessions.create({ list: [] }, i % 2 ? { userId: 'ada' } : {})
        const calls: (() => Promise<unknown>)[] = [
          () => sessions.set(token, { name: 'late' }),
          () => other.update(token, 'list', (list = []) => [...list, 1]),
          () => sessions.increment(token, 'views'),
          () => other.touch(token),
          () => sessions.setIdleTimeout(token, '5m'),
          () => other.rotate(token),
        ]
        // In another order each time, and the end of it somewhere between.
        calls.splice(i % (calls.length + 1), 0, () => sessions.destroy(token))
        await Promise.allSettled(calls.map((one) => one()))
        await assertNoSession(sessions, token)
      }
      assert.equal(await sessions.count(), 0)
    })
  })
}
