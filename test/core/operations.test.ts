import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { commit, NO_CHANGES } from '../../src/core/commits.ts'
import { create } from '../../src/core/creations.ts'
import { rotate } from '../../src/core/rotations.ts'
import { release, seal } from '../../src/core/seals.ts'
import type { Changes, SessionRecord, StoreCall } from '../../src/core/store.ts'
import { idOfToken } from '../../src/core/token.ts'
import { touchIsDue, touchNow, touchSoftly } from '../../src/core/touches.ts'
import { begin, call, loaded, NOTE } from '../store-contract.ts'
import { measureStall } from '../support/lag.ts'
import { beginning, operationsOn, testStore } from './support.ts'

const never = () => new Promise<never>(() => undefined)
const TIMEOUT = { code: 'ERR_STORE_TIMEOUT', status: 503 }

async function warningsOf(run: () => Promise<void>): Promise<(string | undefined)[]> {
  const codes: (string | undefined)[] = []
  const listen = (warning: Error & { code?: string }) => codes.push(warning.code)
  process.on('warning', listen)
  await run()
  await new Promise(setImmediate)
  process.off('warning', listen)
  return codes
}

/** Resolves some time after the deadline of a call has passed, however busy this process is. */
async function tooLate({ signal }: StoreCall): Promise<void> {
  await once(signal, 'abort')
  await pause(5)
}

describe('an operation', () => {
  it('whose store hangs fails at the deadline', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 30 })
    const ref = await begin(store)
    const all: [Parameters<typeof store.next>[0], () => Promise<unknown>][] = [
      ['load', () => operations.load(ref.id)],
      ['touch', () => touchNow(operations, ref)],
      ['commit', () => commit(operations, ref, NO_CHANGES)],
      ['update', () => operations.update(ref, 'a', null, () => 1)],
      ['create', () => create(operations, beginning(operations))],
      ['rotate', () => rotate(operations, ref)],
      ['seal', () => seal(operations, ref)],
      ['release', () => release(operations, ref, 'x', NOTE)],
      ['destroy', () => operations.destroy(ref, NOTE)],
      ['timeToLive', () => operations.timeToLive(ref.id)],
    ]
    for (const [method] of all) store.next(method, never)
    await Promise.all(
      all.map(([method, run]) =>
        assert.rejects(run(), { ...TIMEOUT, message: new RegExp(`'${method}' within 30 ms`) }),
      ),
    )
  })

  it('traces no session into another store, which has adopted it', async () => {
    const store = testStore()
    const operations = operationsOn(store)
    const { id } = await begin(store)
    store.next('load', async () => ({ status: 'adopted', successor: id }))
    assert.equal(await operations.trace(id), null)
  })

  it('follows a rotated id as often as it takes', async () => {
    const store = testStore()
    const operations = operationsOn(store)
    const ref = await begin(store)
    let at = ref
    for (let i = 0; i < 5; i++) at = { ...at, id: (await rotate(operations, at)).id }
    const { id } = await commit(operations, ref, { ...NO_CHANGES, set: new Map([['a', '1']]) })
    assert.equal(id, at.id)
    assert.equal((await loaded(store, at.id))?.fields.get('a'), '1')
  })

  it('commits whole what does more than to set a few fields of a session that was just read', async () => {
    const store = testStore()
    const operations = operationsOn(store)
    const set = new Map([['a', '1']])
    const many = new Map(Array.from({ length: 1001 }, (_, i) => [`field${i}`, '1']))
    const kinds: [string, Partial<Changes>, Partial<SessionRecord>?][] = [
      ['write', { set }],
      ['commit', {}],
      ['commit', { set: many }],
      ['commit', { set, remove: ['b'] }],
      ['commit', { set, increments: [['n', 1]] }],
      ['commit', { set, replace: true }],
      ['commit', { set, idleTimeout: 50_000 }],
      ['commit', { set, requests: 1 }],
      ['commit', { set }, { lastAccessedAt: 1 }],
    ]
    for (const [method, some, known] of kinds) {
      const { id } = await begin(store, { data: { b: '1' } })
      const record = (await loaded(store, id)) ?? assert.fail()
      store.calls.length = 0
      await commit(operations, { ...record, ...known }, { ...NO_CHANGES, ...some })
      assert.deepEqual(store.calls, [method])
    }
    // Of one of which nothing is known but its id, too.
    const ref = await begin(store)
    await commit(operations, ref, { ...NO_CHANGES, set })
    assert.equal(store.calls.at(-1), 'commit')
  })

  it('tells what becomes of a plain write within one deadline', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 60 })
    const record = (await loaded(store, (await begin(store)).id)) ?? assert.fail()
    const changes = { ...NO_CHANGES, set: new Map([['a', '1']]) }
    const calls: StoreCall[] = []
    store.next('write', async (call) => {
      calls.push(call)
      return false
    })
    store.next('commit', (call) => {
      calls.push(call)
      return never()
    })
    await assert.rejects(commit(operations, record, changes), TIMEOUT)
    assert.equal(calls.length, 2)
    assert.equal(calls[0], calls[1])
  })

  it('counts with a plain write nothing, and loses no count', async () => {
    const store = testStore()
    const operations = operationsOn(store)
    const record = (await loaded(store, (await begin(store)).id)) ?? assert.fail()
    const countOf = async () => (await loaded(store, record.id))?.fields.get('request_count')
    operations.requests.add(record.id, 3)
    await commit(operations, record, { ...NO_CHANGES, set: new Map([['a', '1']]) })
    assert.equal(await countOf(), undefined)
    // Nor where the plain write is not enough.
    store.next('write', async () => false)
    await commit(operations, record, { ...NO_CHANGES, set: new Map([['a', '2']]) })
    assert.equal(await countOf(), undefined)
    await commit(operations, record, { ...NO_CHANGES, remove: ['a'] })
    assert.equal(await countOf(), '3')
    assert.equal(operations.requests.of(record.id), 0)
  })

  it('waits for a login that is taking the session over, with growing pauses', async () => {
    const store = testStore()
    const operations = operationsOn(store)
    const ref = await begin(store)
    for (let i = 0; i < 4; i++) store.next('commit', async () => ({ status: 'sealed' }))
    const [started, busy] = [performance.now(), measureStall()]
    await commit(operations, ref, NO_CHANGES)
    // 5 + 10 + 20 + 40
    const took = performance.now() - started
    assert.ok(took >= 73 && took < 500 + busy(), `took ${took} ms`)
    assert.equal(store.calls.filter((name) => name === 'commit').length, 5)
  })

  it('says that the session has ended when a login still has it at the deadline', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 60 })
    const ref = await begin(store)
    for (let i = 0; i < 50; i++) {
      for (const method of ['commit', 'touch', 'rotate', 'update'] as const)
        store.next(method, async () => ({ status: 'sealed' }))
    }
    await assert.rejects(commit(operations, ref, NO_CHANGES), { code: 'ERR_SESSION_ENDED' })
    await assert.rejects(rotate(operations, ref), { code: 'ERR_SESSION_ENDED' })
    await assert.rejects(
      operations.update(ref, 'a', null, () => 1),
      { code: 'ERR_SESSION_ENDED' },
    )
    assert.equal(await touchNow(operations, ref), false)
  })

  for (const [reply, method, run] of [
    [{ status: 'conflict', actual: 'other' }, 'update', 'update'],
    [{ status: 'moved', to: 'elsewhere' }, 'update', 'update'],
    [{ status: 'moved', to: 'elsewhere' }, 'commit', 'commit'],
  ] as const) {
    it(`is not taken for done, nor the session for ended, when '${reply.status}' comes just after the deadline: ${run}`, async () => {
      const store = testStore()
      const operations = operationsOn(store, { storeTimeout: 30 })
      const ref = await begin(store)
      // As when the process was busy: the deadline comes first, then the answer, and only then the deadline's error.
      store.next(
        method,
        ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(reply))),
      )
      const acting =
        run === 'update' ? operations.update(ref, 'a', null, () => 'mine') : commit(operations, ref, NO_CHANGES)
      await assert.rejects(acting, TIMEOUT)
      await new Promise(setImmediate)
      assert.deepEqual(
        store.calls.filter((name) => name === method),
        [method],
        'nothing is sent after the deadline',
      )
    })
  }

  it('that began a session too late ends it', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 20 })
    const begun: string[] = []
    const inStore = (Object.getPrototypeOf(store) as typeof store).create
    store.create = async (session, call) => {
      await tooLate(call)
      begun.push(session.id)
      return inStore(session, call)
    }
    await assert.rejects(create(operations, beginning(operations, { userId: 'ada' })), TIMEOUT)
    while (!store.calls.includes('destroy')) await pause(5)
    await pause(1)
    assert.equal(begun.length, 1)
    assert.equal((await store.count(call())).members, 0)
  })

  it('that began a session too late, and cannot end it, is heard of no more', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 20 })
    store.next('create', (call) => tooLate(call).then(() => ({ status: 'ok', now: 0 })))
    store.next('destroy', async () => {
      throw new Error('no connection')
    })
    const creating = create(operations, beginning(operations))
    await assert.rejects(creating, TIMEOUT)
    while (!store.calls.includes('destroy')) await pause(5)
  })

  it('refuses an increment by name, and a full user', async () => {
    const store = testStore()
    const operations = operationsOn(store, { maxPerUser: { limit: 1, whenFull: 'refuse' } })
    const ref = await begin(store, { data: { n: 'x', m: `${Number.MAX_SAFE_INTEGER}` } })
    const increment = (field: string) => commit(operations, ref, { ...NO_CHANGES, increments: [[field, 1]] })
    await assert.rejects(increment('n'), { code: 'ERR_FIELD_NOT_INTEGER', field: 'n', message: /'n'/ })
    await assert.rejects(increment('m'), { code: 'ERR_FIELD_RANGE', field: 'm', message: /'m'/ })
    const session = beginning(operations, { userId: 'ada' })
    const { token, record } = await create(operations, session)
    assert.equal(idOfToken(token), record.id)
    await assert.rejects(create(operations, session), { code: 'ERR_USER_LIMIT', status: 403, message: /\b1 sessions/ })
  })

  it('gives a session that another request has rotated no second token, and says where it is now', async () => {
    const store = testStore()
    const operations = operationsOn(store)
    const ref = await begin(store)
    const { id, token } = await rotate(operations, ref)
    assert.equal(idOfToken(token ?? ''), id)
    assert.deepEqual([(await rotate(operations, ref)).id, (await rotate(operations, ref)).token], [id, null])
    await operations.destroy({ id, userId: null }, NOTE)
    await assert.rejects(rotate(operations, ref), { code: 'ERR_SESSION_ENDED' })
  })
})

describe('a touch on the way', () => {
  const recordOf = async (store: ReturnType<typeof testStore>): Promise<SessionRecord> => {
    const { id } = await begin(store)
    return (await loaded(store, id)) ?? assert.fail()
  }

  it('is one for a session, however many ask for it', async () => {
    const store = testStore()
    const operations = operationsOn(store, { touchInterval: 0 })
    const [record, other] = [await recordOf(store), await recordOf(store)]
    const times = await Promise.all([record, record, other, record].map((one) => touchSoftly(operations, one)))
    assert.equal(store.calls.filter((name) => name === 'touch').length, 2)
    assert.ok(times.every((time) => time !== null && time >= record.lastAccessedAt))
    await touchSoftly(operations, record)
    assert.equal(store.calls.filter((name) => name === 'touch').length, 3)
  })

  it('fails softly, with a warning once', async () => {
    const store = testStore()
    const operations = operationsOn(store, { storeTimeout: 20 })
    const record = await recordOf(store)
    const codes = await warningsOf(async () => {
      store.next('touch', never)
      assert.equal(await touchSoftly(operations, record), null)
      store.next('touch', async () => {
        throw new Error('no connection')
      })
      assert.equal(await touchSoftly(operations, record), null)
    })
    assert.deepEqual(codes, ['COATCHECK_TOUCH_FAILED'])
    store.next('touch', async () => ({ status: 'ended' }))
    assert.equal(await touchSoftly(operations, record), null)
  })

  it('is waited for by close, which then closes the store', async () => {
    const store = testStore()
    const operations = operationsOn(store, { touchInterval: 0 })
    const record = await recordOf(store)
    const order: string[] = []
    store.close = async () => void order.push('closed')
    store.next('touch', () => pause(30).then(() => ({ status: 'ok', lastAccessedAt: order.push('touched') })))
    void touchSoftly(operations, record)
    await operations.close()
    assert.deepEqual(order, ['touched', 'closed'])
  })

  it('is due from the touch interval on, and whenever the time is not known', async () => {
    const store = testStore()
    const operations = operationsOn(store, { touchInterval: 1000 })
    const isDue = (now: number | null, lastAccessedAt: number, idleTimeout = 60_000) => {
      store.now = () => now
      return touchIsDue(operations.settings, { id: 'any', lastAccessedAt, idleTimeout })
    }
    assert.deepEqual([isDue(5000, 4001), isDue(5000, 4000), isDue(5000, 0), isDue(null, 0)], [false, true, true, true])
    assert.deepEqual([isDue(5000, 4901, 200), isDue(5000, 4900, 200)], [false, true])
  })
})
