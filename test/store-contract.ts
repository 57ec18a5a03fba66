import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { NO_CHANGES } from '../src/core/commits.ts'
import type {
  Changes,
  NewSession,
  Note,
  Page,
  Rotation,
  SessionRecord,
  SessionRef,
  SessionStore,
  StoreCall,
  TouchRule,
  UserLimit,
} from '../src/core/store.ts'
import { idOfToken, newToken, newTokenBeside } from '../src/core/token.ts'

// What every store must do, method by method: see src/core/store.ts. Each backend's test file runs the whole of it.

/** A store with no sessions yet. */
export interface OpenStore {
  readonly store: SessionStore
  /** The same sessions as another process sees them. */
  readonly second: SessionStore
  /** Whether sessions are kept by several servers, each of which has its own idea of what comes first. */
  readonly manyServers?: boolean
  /** Fails unless everything that the backend holds agrees with itself, and expires. */
  check(): Promise<void>
}

/** A write that is an access in any case. */
export const ALWAYS: TouchRule = { longest: 0, parts: 1 }

export type Open = () => Promise<OpenStore>

/** Runs a test on a store of its own, and looks at the whole of it at the end. */
export function onStore(open: Open, name: string, test: (opened: OpenStore) => Promise<void>): void {
  // What waits for a session to end would wait for ever on a store that ends none.
  it(name, { timeout: 30_000 }, async () => {
    const opened = await open()
    await test(opened)
    await opened.check()
    await assertCountAgrees(opened.store)
  })
}

async function assertCountAgrees(store: SessionStore): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const listed = (await store.recent(1000, ALL, call())).length
    const counted = await countOf(store)
    if (listed === counted) return
    // A session may have expired between the two.
    assert.ok(attempt < 5, `${listed} sessions are listed, ${counted} counted`)
  }
}

export function call(): StoreCall {
  return { signal: new AbortController().signal, expired: false, remaining: 1000, outcome: 'unknown' }
}

/** A session id that no session has, in the partition of a user or in any. */
function newRef(userId: string | null = null): SessionRef {
  return { id: idOfToken(newToken(userId)), userId }
}

/** An id that a session can be given by a rotation. */
export function idBeside({ id }: SessionRef): string {
  return idOfToken(newTokenBeside(id))
}

export function changes(some: Partial<Changes>): Changes {
  return { ...NO_CHANGES, ...some }
}

/** A session to begin of which only some things matter. */
export function newSession(some: Partial<NewSession>): NewSession {
  const usual = { idleTimeout: 60_000, lifetime: 600_000, maxPerUser: LIMIT, fields: new Map<string, string>() }
  return { ...newRef(some.userId), ...usual, begun: performance.now(), note: NOTE, ...some }
}

/** Begins a session of which only some things matter. */
export async function begin(
  store: SessionStore,
  some: Partial<Omit<NewSession, 'fields'>> & { data?: Record<string, string> } = {},
): Promise<SessionRef> {
  const ref = { ...newRef(some.userId), ...(some.id !== undefined && { id: some.id }) }
  const { data = {}, ...rest } = some
  const reply = await store.create(newSession({ ...ref, ...rest, fields: new Map(Object.entries(data)) }), call())
  assert.equal(reply.status, 'ok')
  // Stores tell whole milliseconds: what begins or is accessed next does so later.
  await pause(2)
  return ref
}

const LIMIT: UserLimit = { limit: 100, whenFull: 'evict-oldest' }
export const NOTE: Note = { from: 'test', type: 'test', cause: 'test', actor: null, previous: null }
export const ROTATION: Rotation = {
  grace: 10_000,
  reuseWindow: 60_000,
  renew: null,
  set: new Map(),
  remove: [],
  note: NOTE,
}
export const ALL: Page = { after: null, fields: [] }

/** A session as its id leads to it; `null`: to none, also after a rotation. */
export async function loaded(store: SessionStore, id: string): Promise<SessionRecord | null> {
  const found = await store.load(id, null, call())
  return found === null || 'status' in found ? null : found
}

async function countOf(store: SessionStore): Promise<number> {
  const { guests, members } = await store.count(call())
  return guests + members
}

async function fieldsOf(store: SessionStore, { id }: SessionRef): Promise<Record<string, string>> {
  return Object.fromEntries((await loaded(store, id))?.fields ?? [])
}

/** The application's fields as they are stored. */
async function dataOf(store: SessionStore, ref: SessionRef): Promise<Record<string, string>> {
  const { created_at, last_accessed_at, session_ttl, deadline, user_id, authenticated_at, _rotated_at, ...data } =
    await fieldsOf(store, ref)
  return data
}

async function lifeOf(store: SessionStore, { id }: SessionRef): Promise<number> {
  return (await store.timeToLive(id, call())) ?? assert.fail('no such session')
}

/**
 * When a session ends if nobody accesses it, by this process's clock. Asked until the answer comes quickly: what is compared
 * with it is 40 ms of waiting.
 */
async function endOf(store: SessionStore, ref: SessionRef): Promise<number> {
  while (true) {
    const asked = performance.now()
    const left = await lifeOf(store, ref)
    if (performance.now() - asked < 10) return asked + left
  }
}

const WAIT = 40
const isLater = (end: number, than: number) => assert.ok(end > than + WAIT / 2, `ends ${end - than} ms later`)
const isTheSame = (end: number, as: number) => assert.ok(Math.abs(end - as) < WAIT / 2, `ends ${end - as} ms later`)

async function livingOf(store: SessionStore, refs: readonly SessionRef[]): Promise<number[]> {
  const records = await Promise.all(refs.map(({ id }) => loaded(store, id)))
  return records.flatMap((record, i) => (record === null ? [] : [i]))
}

/** Every operation that acts on a session, with what it says. */
async function statuses(store: SessionStore, ref: SessionRef): Promise<Record<string, string>> {
  const replies = {
    touch: await store.touch(ref, 0, 0, call()),
    commit: await store.commit(ref, changes({ set: new Map([['late', 'x']]) }), ALWAYS, call()),
    increment: await store.commit(ref, changes({ increments: [['count', 1]] }), ALWAYS, call()),
    idleTimeout: await store.commit(ref, changes({ idleTimeout: 90_000 }), ALWAYS, call()),
    update: await store.update(ref, 'field', null, 'late', ALWAYS, call()),
    rotate: await store.rotate(ref, idBeside(ref), ROTATION, call()),
    destroy: await store.destroy(ref, NOTE, call()),
  }
  return Object.fromEntries(Object.entries(replies).map(([name, { status }]) => [name, status]))
}

const ALL_ENDED = {
  touch: 'ended',
  commit: 'ended',
  increment: 'ended',
  idleTimeout: 'ended',
  update: 'ended',
  rotate: 'ended',
  destroy: 'ended',
}

export function storeContract(open: Open): void {
  const on = (name: string, test: (opened: OpenStore) => Promise<void>) => onStore(open, name, test)

  describe('create and load', () => {
    on('read back a session without a user: its times, its fields, nothing else', async ({ store, second }) => {
      const ref = await begin(store, { idleTimeout: 1500, lifetime: 90_000, data: { cart: '["a"]', '7': 'x', é: '' } })
      const record = (await loaded(second, ref.id)) ?? assert.fail()
      const { createdAt } = record
      assert.equal(record.id, ref.id)
      assert.equal(record.userId, null)
      assert.equal(record.lastAccessedAt, createdAt)
      assert.equal(record.idleTimeout, 1500)
      assert.equal(record.deadline, createdAt + 90_000)
      assert.deepEqual(Object.fromEntries(record.fields), {
        created_at: `${createdAt}`,
        last_accessed_at: `${createdAt}`,
        session_ttl: '1.5',
        deadline: `${createdAt + 90_000}`,
        cart: '["a"]',
        '7': 'x',
        é: '',
      })
      const now = store.now(ref.id) ?? assert.fail('a store that has answered knows the time')
      assert.ok(Math.abs(now - createdAt) < 1000)
    })

    on('keep the user that a session belongs to', async ({ store, second }) => {
      const ref = await begin(store, { userId: 'andrew' })
      assert.equal((await loaded(second, ref.id))?.userId, 'andrew')
      assert.equal((await fieldsOf(store, ref)).user_id, 'andrew')
    })

    on('know no session that never was', async ({ store }) => {
      const ref = newRef()
      assert.equal(await loaded(store, ref.id), null)
      assert.equal(await store.timeToLive(ref.id, call()), null)
      assert.deepEqual(await statuses(store, ref), ALL_ENDED)
      assert.deepEqual(await statuses(store, newRef('andrew')), ALL_ENDED)
    })

    on('count two increments of one field together when they check its range', async ({ store }) => {
      const ref = await begin(store, { data: { n: String(2 ** 53 - 3) } })
      const twice = (by: number) => store.commit(ref, changes({ increments: Array(2).fill(['n', by]) }), ALWAYS, call())
      assert.deepEqual(await twice(2), { status: 'out-of-range', field: 'n' })
      const reply = await twice(1)
      assert.deepEqual(reply.status === 'ok' && reply.increments, [2 ** 53 - 2, 2 ** 53 - 1])
    })

    on('give a record that does not change under its reader', async ({ store }) => {
      const ref = await begin(store, { data: { a: '1' } })
      const record = await loaded(store, ref.id)
      await store.commit(ref, changes({ set: new Map([['a', '2']]), increments: [['b', 1]] }), ALWAYS, call())
      assert.equal(record?.fields.get('a'), '1')
      assert.equal(record?.fields.has('b'), false)
    })

    on('load without extending the idle expiry', async ({ store }) => {
      const ref = await begin(store)
      const { lastAccessedAt } = (await loaded(store, ref.id)) ?? assert.fail()
      const before = await endOf(store, ref)
      await pause(WAIT)
      await loaded(store, ref.id)
      isTheSame(await endOf(store, ref), before)
      assert.equal((await loaded(store, ref.id))?.lastAccessedAt, lastAccessedAt)
    })

    on('end a session that is left alone after its idle timeout', async ({ store }) => {
      const left = await begin(store, { idleTimeout: 40 })
      const kept = await begin(store)
      while ((await loaded(store, left.id)) !== null) await pause(5)
      assert.equal(await store.timeToLive(left.id, call()), null)
      assert.deepEqual(await statuses(store, left), ALL_ENDED)
      assert.equal(await countOf(store), 1)
      assert.deepEqual(
        (await store.recent(10, ALL, call())).map(({ id }) => id),
        [kept.id],
      )
    })
  })

  describe('touch', () => {
    on('extends the idle expiry from now', async ({ store, second }) => {
      const ref = await begin(store)
      const before = await endOf(store, ref)
      await pause(WAIT)
      const reply = await second.touch(ref, 0, 0, call())
      assert.equal(reply.status, 'ok')
      isLater(await endOf(store, ref), before)
      assert.ok((await lifeOf(store, ref)) <= 60_000)
      const record = (await loaded(store, ref.id)) ?? assert.fail()
      assert.equal(record.lastAccessedAt, reply.status === 'ok' && reply.lastAccessedAt)
      assert.ok(record.lastAccessedAt >= record.createdAt + WAIT)
    })

    on('does nothing within the given time of the last one, and says when that was', async ({ store }) => {
      const ref = await begin(store)
      const { createdAt } = (await loaded(store, ref.id)) ?? assert.fail()
      const before = await endOf(store, ref)
      await pause(WAIT)
      assert.deepEqual(await store.touch(ref, 30_000, 0, call()), { status: 'ok', lastAccessedAt: createdAt })
      isTheSame(await endOf(store, ref), before)
      assert.equal((await loaded(store, ref.id))?.lastAccessedAt, createdAt)
    })

    on('extends at most to the deadline', async ({ store }) => {
      const ref = await begin(store, { idleTimeout: 60_000, lifetime: 60_050 })
      await pause(100)
      assert.equal((await store.touch(ref, 0, 0, call())).status, 'ok')
      assert.ok((await lifeOf(store, ref)) <= 60_050 - 100)
    })
  })

  describe('commit', () => {
    on('sets and removes fields, and leaves the others alone', async ({ store, second }) => {
      const ref = await begin(store, { userId: 'andrew', data: { keep: 'k', change: '1', drop: 'd' } })
      const before = await fieldsOf(store, ref)
      const set = new Map([
        ['change', '2'],
        ['add', '[]'],
      ])
      const reply = await second.commit(ref, changes({ set, remove: ['drop', 'never there'] }), ALWAYS, call())
      assert.equal(reply.status, 'ok')
      assert.deepEqual(await dataOf(store, ref), { keep: 'k', change: '2', add: '[]' })
      const { created_at, session_ttl, deadline, user_id } = await fieldsOf(store, ref)
      assert.deepEqual({ ...before, created_at, session_ttl, deadline, user_id }, before)
    })

    on('extends the idle expiry from now, even with nothing to write', async ({ store }) => {
      const ref = await begin(store)
      const before = await endOf(store, ref)
      await pause(WAIT)
      const reply = await store.commit(ref, NO_CHANGES, ALWAYS, call())
      isLater(await endOf(store, ref), before)
      const record = (await loaded(store, ref.id)) ?? assert.fail()
      assert.equal(record.lastAccessedAt, reply.status === 'ok' && reply.lastAccessedAt)
      assert.ok(record.lastAccessedAt >= record.createdAt + WAIT)
    })

    on('extends the idle expiry only when that is due', async ({ store }) => {
      const ref = await begin(store, { idleTimeout: 10_000 })
      const before = await loaded(store, ref.id)
      const set = new Map([['late', 'x']])
      const [end, soon, half] = [await endOf(store, ref), { longest: 5000, parts: 2 }, { longest: WAIT / 2, parts: 2 }]
      await pause(WAIT)
      const writes = [
        await store.commit(ref, changes({ set, increments: [['n', 2]], requests: 3 }), soon, call()),
        await store.update(ref, 'late', 'x', 'later', soon, call()),
        await store.update(ref, 'late', 'later', null, soon, call()),
      ]
      const times = writes.map((reply) => reply.status === 'ok' && reply.lastAccessedAt)
      assert.deepEqual(times, Array(3).fill(before?.lastAccessedAt))
      assert.deepEqual(await dataOf(store, ref), { n: '2', request_count: '3' })
      assert.ok(Math.abs((await endOf(store, ref)) - end) <= WAIT / 2)
      // By its time, by a part of the idle timeout, or because that has changed.
      await store.commit(ref, changes({ set }), half, call())
      const first = await endOf(store, ref)
      isLater(first, end)
      await pause(WAIT)
      await store.update(ref, 'late', 'x', 'y', { longest: 5000, parts: 10_000 / (WAIT / 2) }, call())
      const second = await endOf(store, ref)
      isLater(second, first)
      await pause(WAIT)
      await store.commit(ref, changes({ idleTimeout: 10_000 }), soon, call())
      isLater(await endOf(store, ref), second)
    })

    on('replaces all data when told to, and none of the fields that are its own', async ({ store }) => {
      const ref = await begin(store, { userId: 'andrew', data: { a: '1', b: '2', c: '3' } })
      const set = new Map([
        ['b', '20'],
        ['d', '40'],
      ])
      await store.commit(ref, changes({ set, replace: true }), ALWAYS, call())
      assert.deepEqual(await dataOf(store, ref), { b: '20', d: '40' })
      assert.equal((await loaded(store, ref.id))?.userId, 'andrew')
      await store.commit(ref, changes({ replace: true }), ALWAYS, call())
      assert.deepEqual(await dataOf(store, ref), {})
    })

    on('counts up and down, from 0 where there is no field yet, as far as a number is exact', async ({ store }) => {
      const most = Number.MAX_SAFE_INTEGER
      const ref = await begin(store, { data: { n: '5', high: `${most - 1}`, low: `${1 - most}`, nought: '0' } })
      const increments = [
        ['n', 10],
        ['new', -3],
        ['high', 1],
        ['low', -1],
        ['nought', 0],
        ['far', most],
      ] as const
      const reply = await store.commit(ref, changes({ increments, set: new Map([['also', 'x']]) }), ALWAYS, call())
      assert.deepEqual(reply.status === 'ok' && reply.increments, [15, -3, most, -most, 0, most])
      const data = { n: '15', new: '-3', high: `${most}`, low: `${-most}`, nought: '0', far: `${most}`, also: 'x' }
      assert.deepEqual(await dataOf(store, ref), data)
    })

    for (const [text, by, status] of [
      ['many', 1, 'not-integer'],
      ['', 1, 'not-integer'],
      ['1.5', 1, 'not-integer'],
      ['1e3', 1, 'not-integer'],
      ['"3"', 1, 'not-integer'],
      ['-0', 1, 'not-integer'],
      ['007', 1, 'not-integer'],
      [' 7', 1, 'not-integer'],
      ['0x10', 1, 'not-integer'],
      ['null', 1, 'not-integer'],
      [`${Number.MAX_SAFE_INTEGER}`, 1, 'out-of-range'],
      [`${Number.MIN_SAFE_INTEGER}`, -1, 'out-of-range'],
      ['9007199254740993', -5, 'out-of-range'],
      [`1${'0'.repeat(400)}`, -1, 'out-of-range'],
      ['5', Number.MAX_SAFE_INTEGER, 'out-of-range'],
    ] as const) {
      on(
        `writes nothing at all when ${text.slice(0, 20) || "''"} cannot be incremented by ${by}`,
        async ({ store }) => {
          const ref = await begin(store, { data: { n: text, a: '1', b: '2' } })
          const before = await fieldsOf(store, ref)
          const end = await endOf(store, ref)
          await pause(WAIT)
          const increments = [
            ['ok', 1],
            ['n', by],
          ] as const
          const set = new Map([['a', '10']])
          const all = changes({ increments, set, remove: ['b'], idleTimeout: 1000 })
          assert.deepEqual(await store.commit(ref, all, ALWAYS, call()), { status, field: 'n' })
          assert.deepEqual(await fieldsOf(store, ref), before)
          isTheSame(await endOf(store, ref), end)
        },
      )
    }

    on('changes the idle timeout of the session, counted from now', async ({ store }) => {
      const ref = await begin(store)
      await store.commit(ref, changes({ idleTimeout: 120_500 }), ALWAYS, call())
      assert.equal((await loaded(store, ref.id))?.idleTimeout, 120_500)
      assert.equal((await fieldsOf(store, ref)).session_ttl, '120.5')
      assert.ok((await lifeOf(store, ref)) > 115_000)
      await store.commit(ref, changes({ idleTimeout: 20_001 }), ALWAYS, call())
      assert.ok((await lifeOf(store, ref)) <= 20_001)
      const before = await endOf(store, ref)
      await pause(WAIT)
      await store.touch(ref, 0, 0, call())
      assert.ok((await lifeOf(store, ref)) <= 20_001)
      isLater(await endOf(store, ref), before)
    })

    on('extends at most to the deadline, whatever the idle timeout', async ({ store }) => {
      const ref = await begin(store, { idleTimeout: 1900, lifetime: 2000 })
      await store.commit(ref, changes({ idleTimeout: 500_000 }), ALWAYS, call())
      assert.ok((await lifeOf(store, ref)) <= 2000)
    })
  })

  describe('update', () => {
    on('sets a field that still is what the caller saw', async ({ store, second }) => {
      const ref = await begin(store, { data: { a: '1' } })
      const before = await endOf(store, ref)
      await pause(WAIT)
      const reply = await second.update(ref, 'a', '1', '2', ALWAYS, call())
      assert.equal((await fieldsOf(store, ref)).a, '2')
      assert.equal(reply.status === 'ok' && reply.lastAccessedAt, (await loaded(store, ref.id))?.lastAccessedAt)
      isLater(await endOf(store, ref), before)
    })

    on('tells an absent field from an empty one', async ({ store }) => {
      const ref = await begin(store)
      assert.deepEqual(await store.update(ref, 'a', '', 'x', ALWAYS, call()), { status: 'conflict', actual: null })
      assert.equal((await store.update(ref, 'a', null, '', ALWAYS, call())).status, 'ok')
      assert.deepEqual(await store.update(ref, 'a', null, 'x', ALWAYS, call()), { status: 'conflict', actual: '' })
      assert.deepEqual(await dataOf(store, ref), { a: '' })
    })

    on('says what the field holds now when it is something else, and changes nothing', async ({ store }) => {
      const ref = await begin(store, { data: { a: 'new' } })
      const before = await fieldsOf(store, ref)
      await pause(5)
      assert.deepEqual(await store.update(ref, 'a', 'old', 'mine', ALWAYS, call()), {
        status: 'conflict',
        actual: 'new',
      })
      assert.deepEqual(await store.update(ref, 'a', 'old', null, ALWAYS, call()), { status: 'conflict', actual: 'new' })
      assert.deepEqual(await fieldsOf(store, ref), before)
    })

    on('removes a field', async ({ store }) => {
      const ref = await begin(store, { data: { a: '1', b: '2' } })
      assert.equal((await store.update(ref, 'a', '1', null, ALWAYS, call())).status, 'ok')
      assert.equal((await store.update(ref, 'c', null, null, ALWAYS, call())).status, 'ok')
      assert.deepEqual(await dataOf(store, ref), { b: '2' })
    })

    on('lets one of many at once win', async ({ store, second }) => {
      const ref = await begin(store, { data: { a: '0' } })
      const stores = Array.from({ length: 50 }, (_, i) => (i % 2 ? store : second))
      const replies = await Promise.all(stores.map((one, i) => one.update(ref, 'a', '0', `from ${i}`, ALWAYS, call())))
      const won = replies.flatMap(({ status }, i) => (status === 'ok' ? [i] : []))
      assert.equal(won.length, 1)
      assert.equal((await fieldsOf(store, ref)).a, `from ${won[0]}`)
    })
  })

  describe("a user's limit", () => {
    const two: UserLimit = { limit: 2, whenFull: 'evict-oldest' }

    on('ends the session that began first, however busy it is, and never the newcomer', async ({ store, second }) => {
      const first = await begin(store, { userId: 'andrew', maxPerUser: two })
      const other = await begin(store, { userId: 'berta', maxPerUser: two })
      const later = await begin(store, { userId: 'andrew', maxPerUser: two })
      await store.commit(first, changes({ idleTimeout: 300_000 }), ALWAYS, call())
      await second.touch(first, 0, 0, call())
      const third = await begin(second, { userId: 'andrew', maxPerUser: two })
      assert.deepEqual(await livingOf(store, [first, later, third, other]), [1, 2, 3])
      const fourth = await begin(store, { userId: 'andrew', maxPerUser: two })
      assert.deepEqual(await livingOf(store, [first, later, third, fourth, other]), [2, 3, 4])
      assert.equal(await countOf(store), 3)
    })

    on('ends as many as it takes when the limit has become smaller', async ({ store }) => {
      const refs: SessionRef[] = []
      for (let i = 0; i < 5; i++) refs.push(await begin(store, { userId: 'andrew' }))
      refs.push(await begin(store, { userId: 'andrew', maxPerUser: two }))
      assert.deepEqual(await livingOf(store, refs), [4, 5])
    })

    on('counts a rotated session once, and by its first beginning', async ({ store }) => {
      const first = await begin(store, { userId: 'andrew', maxPerUser: two })
      const later = await begin(store, { userId: 'andrew', maxPerUser: two })
      const rotated = { id: idBeside(first), userId: 'andrew' }
      await store.rotate(first, rotated.id, ROTATION, call())
      const third = await begin(store, { userId: 'andrew', maxPerUser: two })
      assert.deepEqual(await livingOf(store, [rotated, later, third]), [1, 2])
    })

    on('refuses a further session when told to, until one has ended', async ({ store }) => {
      const refuse: UserLimit = { limit: 2, whenFull: 'refuse' }
      const first = await begin(store, { userId: 'andrew', maxPerUser: refuse })
      const second = await begin(store, { userId: 'andrew', maxPerUser: refuse })
      const third: NewSession = {
        ...newSession({ userId: 'andrew', maxPerUser: refuse }),
      }
      assert.deepEqual(await store.create(third, call()), { status: 'full' })
      assert.equal(await loaded(store, third.id), null)
      assert.equal(await countOf(store), 2)
      await store.commit(first, changes({ idleTimeout: 40 }), ALWAYS, call())
      while ((await loaded(store, first.id)) !== null) await pause(5)
      assert.equal((await store.create(third, call())).status, 'ok')
      await store.destroy(second, NOTE, call())
      await begin(store, { userId: 'andrew', maxPerUser: refuse })
      assert.equal(await countOf(store), 2)
    })

    on('is kept exactly by 20 that begin at once', async ({ store, second }) => {
      const maxPerUser: UserLimit = { limit: 5, whenFull: 'evict-oldest' }
      const both = Array.from({ length: 20 }, (_, i) => (i % 2 ? store : second))
      const refs = await Promise.all(both.map((one) => begin(one, { userId: 'andrew', maxPerUser })))
      assert.equal((await livingOf(store, refs)).length, 5)
      assert.equal(await countOf(store), 5)
    })

    on('is not for sessions without a user', async ({ store }) => {
      const maxPerUser: UserLimit = { limit: 1, whenFull: 'refuse' }
      for (let i = 0; i < 3; i++) await begin(store, { maxPerUser })
      assert.equal(await countOf(store), 3)
    })
  })

  describe('rotate', () => {
    for (const userId of [null, 'andrew']) {
      const whose = userId === null ? 'without a user' : 'of a user'

      on(`gives a session ${whose} another id and keeps all else`, async ({ store, second }) => {
        const old = await begin(store, { userId, data: { a: '1' } })
        const before = (await loaded(store, old.id)) ?? assert.fail()
        const end = await endOf(store, old)
        await pause(WAIT)
        const to = idBeside(old)
        const reply = await second.rotate(old, to, ROTATION, call())
        const after = (await loaded(store, to)) ?? assert.fail()
        assert.equal(reply.status === 'ok' && reply.lastAccessedAt, after.lastAccessedAt)
        assert.deepEqual(
          { ...after, fields: null, id: null, lastAccessedAt: null },
          { ...before, fields: null, id: null, lastAccessedAt: null },
        )
        assert.deepEqual(await dataOf(store, { id: to, userId }), { a: '1' })
        // It counts as an access, like every write.
        assert.ok(after.lastAccessedAt >= before.lastAccessedAt + WAIT)
        isLater(await endOf(store, { id: to, userId }), end)
        assert.equal(await countOf(store), 1)
        assert.deepEqual(
          (await store.recent(10, ALL, call())).map(({ id }) => id),
          [to],
        )
      })
    }

    on('leads from the old id to the new one while the grace lasts, over several rotations', async ({ store }) => {
      const a = await begin(store, { userId: 'andrew', data: { n: '1' } })
      const b = { ...a, id: idBeside(a) }
      const c = { ...a, id: idBeside(a) }
      await store.rotate(a, b.id, ROTATION, call())
      await store.rotate(b, c.id, ROTATION, call())
      for (const [old, to] of [
        [a, b.id],
        [b, c.id],
      ] as const) {
        assert.equal((await loaded(store, old.id))?.id, c.id)
        assert.ok((await lifeOf(store, old)) > 59_000)
        const moved = Object.fromEntries(Object.keys(ALL_ENDED).map((operation) => [operation, 'moved']))
        assert.deepEqual(await statuses(store, old), moved)
        assert.deepEqual(await store.touch(old, 0, 0, call()), { status: 'moved', to })
      }
      assert.deepEqual(await dataOf(store, c), { n: '1' })
    })

    on('leads nowhere once the grace is over', async ({ store }) => {
      const old = await begin(store, { data: { n: '1' } })
      const successor = { ...old, id: idBeside(old) }
      await store.rotate(old, successor.id, { ...ROTATION, grace: 400, reuseWindow: 60_000 }, call())
      assert.equal((await loaded(store, old.id))?.id, successor.id)
      while ((await loaded(store, old.id)) !== null) await pause(5)
      assert.deepEqual(await statuses(store, old), ALL_ENDED)
      assert.equal(await store.timeToLive(old.id, call()), null)
      assert.deepEqual(await dataOf(store, successor), { n: '1' })
    })

    on('leads nowhere at once without a grace', async ({ store }) => {
      const old = await begin(store)
      const successor = { ...old, id: idBeside(old) }
      await store.rotate(old, successor.id, { ...ROTATION, grace: 0, reuseWindow: 0 }, call())
      assert.deepEqual(await livingOf(store, [old, successor]), [1])
      assert.deepEqual(await statuses(store, old), ALL_ENDED)
      assert.deepEqual(await livingOf(store, [old, successor]), [1])
    })

    on('makes one successor of 20 rotations at once', async ({ store, second }) => {
      const old = await begin(store, { userId: 'andrew' })
      const ids = Array.from({ length: 20 }, () => idBeside(old))
      const replies = await Promise.all(ids.map((to, i) => (i % 2 ? store : second).rotate(old, to, ROTATION, call())))
      const won = ids.filter((_, i) => replies[i]?.status === 'ok')
      assert.equal(won.length, 1)
      const lost = replies.filter(({ status }) => status !== 'ok')
      assert.deepEqual(lost, Array(19).fill({ status: 'moved', to: won[0] }))
      assert.equal(await countOf(store), 1)
    })
  })

  describe('destroy', () => {
    for (const userId of [null, 'andrew']) {
      const whose = userId === null ? 'without a user' : 'of a user'

      on(`ends a session ${whose}, and nothing brings it back`, async ({ store, second }) => {
        const ref = await begin(store, { userId, data: { a: '1' } })
        const kept = await begin(store, { userId })
        const reply = await second.destroy(ref, NOTE, call())
        assert.ok(reply.status === 'ok' && reply.now > 0)
        assert.deepEqual(await statuses(store, ref), ALL_ENDED)
        assert.deepEqual(await livingOf(store, [ref, kept]), [1])
        assert.equal(await store.timeToLive(ref.id, call()), null)
        assert.equal(await countOf(store), 1)
      })
    }

    on('ends the successor of a rotation for good', async ({ store }) => {
      const old = await begin(store)
      const successor = { ...old, id: idBeside(old) }
      await store.rotate(old, successor.id, ROTATION, call())
      assert.deepEqual(await store.destroy(old, NOTE, call()), { status: 'moved', to: successor.id })
      assert.equal((await store.destroy(successor, NOTE, call())).status, 'ok')
      assert.equal(await loaded(store, old.id), null)
      assert.deepEqual(await statuses(store, successor), ALL_ENDED)
      assert.equal(await countOf(store), 0)
    })
  })

  describe('count and recent', () => {
    on('list the sessions by their last access, the latest first', async ({ store, second }) => {
      const refs: SessionRef[] = []
      for (let i = 0; i < 12; i++)
        refs.push(await begin(i % 2 ? store : second, { userId: i % 3 ? `user ${i}` : null }))
      const [first, , third] = refs as [SessionRef, SessionRef, SessionRef]
      await store.touch(first, 0, 0, call())
      await pause(2)
      await second.commit(third, NO_CHANGES, ALWAYS, call())
      await loaded(store, first.id)
      const expected = [third, first, ...refs.filter((ref) => ref !== first && ref !== third).reverse()]
      const listed = await store.recent(100, ALL, call())
      assert.deepEqual(
        listed.map(({ id, userId }) => ({ id, userId })),
        expected.map(({ id, userId }) => ({ id, userId })),
      )
      assert.deepEqual(
        (await store.recent(3, ALL, call())).map(({ id }) => id),
        expected.slice(0, 3).map(({ id }) => id),
      )
      assert.equal(await countOf(second), 12)
    })

    on("leave out the application's fields", async ({ store }) => {
      const ref = await begin(store, { userId: 'andrew', data: { secret: 'x' } })
      const [record] = await store.recent(1, ALL, call())
      const whole = (await loaded(store, ref.id)) ?? assert.fail()
      const own = new Map([...whole.fields].filter(([field]) => field !== 'secret'))
      assert.deepEqual(record, { ...whole, fields: own })
    })

    on('list as many as asked for when they are all in one partition, ended ones between them', async ({ store }) => {
      const refs: SessionRef[] = []
      for (let i = 0; i < 40; i++) {
        // Every second one, and the eight that came last, expire while the others live.
        const idleTimeout = i % 2 || i > 32 ? 60_000 : 30
        refs.push(await begin(store, { userId: 'andrew', idleTimeout: i > 32 ? 30 : idleTimeout }))
      }
      const lasting = refs.filter((_, i) => i % 2 && i <= 32).reverse()
      while ((await livingOf(store, refs)).length > lasting.length) await pause(5)
      const listed = await store.recent(lasting.length, ALL, call())
      assert.deepEqual(
        listed.map(({ id }) => id),
        lasting.map(({ id }) => id),
      )
      assert.equal(await countOf(store), lasting.length)
    })
  })
}
