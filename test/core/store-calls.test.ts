import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { SessionEndedError, StoreError, type StoreErrorCode } from '../../src/core/errors.ts'
import type { StoreCall } from '../../src/core/store.ts'
import { StoreCalls } from '../../src/core/store-calls.ts'
import { tags } from '../../src/core/tags.ts'
import { isId, tagOf } from '../../src/core/token.ts'
import { memoryStore } from '../../src/memory.ts'
import { altered } from '../adapter-contract/bench.ts'
import { deferred, eventually } from '../support/http.ts'
import { measureStall } from '../support/lag.ts'

const TIMEOUT = 60
const never = () => new Promise<never>(() => undefined)
const failure = (code: StoreErrorCode) => new StoreError(code, 'as the test says', 'none')

interface Asked {
  readonly id: string
  readonly call: StoreCall
  readonly at: number
  answer(): void
  fail(error: unknown): void
}

/** Calls to a store of which nothing is known but how it answers probes: as `reply` says, else when the test says so. */
function start(t: TestContext, reply?: (nth: number) => Promise<null>) {
  const probes: Asked[] = []
  const load = (id: string, _reuse: unknown, call: StoreCall) => {
    const told = deferred<null>()
    probes.push({ id, call, at: performance.now(), answer: () => told.resolve(null), fail: told.reject })
    return reply?.(probes.length - 1) ?? told.promise
  }
  const calls = new StoreCalls(altered(memoryStore(), { load }), TIMEOUT)
  t.after(() => calls.close())
  /** A call that is not answered before its deadline. */
  const overdue = () => assert.rejects(calls.run('touch', never), { code: 'ERR_STORE_TIMEOUT' })
  return { calls, probes, overdue }
}

/** The same, of a store that has fallen silent. */
async function startSilent(t: TestContext) {
  const all = start(t)
  await all.overdue()
  await eventually(async () => (await all.calls.health()).state === 'down')
  return all
}

const isRefused = { name: 'StoreError', code: 'ERR_STORE_UNAVAILABLE', status: 503, outcome: 'none' } as const

describe('calls to a store', { timeout: 30_000 }, () => {
  it('ask no question as long as anything is answered', async (t) => {
    const { calls, probes, overdue } = start(t)
    const slow = overdue()
    await calls.run('load', async () => 'answered')
    await slow
    await new Promise(setImmediate)
    assert.deepEqual(probes, [])
  })

  it('go on after one slow operation of a store that answers a probe', async (t) => {
    const { calls, probes, overdue } = start(t, async () => null)
    await overdue()
    await eventually(() => probes.length > 0)
    assert.equal((await calls.health()).state, 'up')
    assert.equal(await calls.run('load', async () => 'answered'), 'answered')
  })

  it('are followed by probes for nobody, in two halves of the partitions', async (t) => {
    const { probes, overdue } = start(t, async () => null)
    await overdue()
    await eventually(() => probes.length > 0)
    const [one, two] = probes.map(({ id }) => tags.indexOf(tagOf(id)))
    assert.ok(probes.length === 2 && probes.every(({ id }) => isId(id)))
    assert.equal(Math.abs(Number(one) - Number(two)), tags.length / 2)
  })

  it('go on where one half of the store is away', async (t) => {
    const { calls, probes, overdue } = start(t, (nth) => (nth % 2 === 0 ? never() : Promise.resolve(null)))
    for (let i = 0; i < 3; i++) {
      const asked = probes.length
      await overdue()
      await eventually(() => probes.length > asked)
      assert.equal(await calls.run('load', async () => 'answered'), 'answered')
    }
    // Nobody asks the silent half for ever: what waits for its server to come back is withdrawn.
    assert.ok(probes.length >= 6 && probes.every(({ call }) => call.expired && call.signal.aborted))
  })

  it('go through while it is not yet clear whether the store answers', async (t) => {
    const { calls, probes, overdue } = start(t)
    await overdue()
    await eventually(() => probes.length > 0)
    assert.equal(await calls.run('load', async () => 'answered'), 'answered')
  })

  it('fail at once, and are not tried, when a probe was not answered either', async (t) => {
    const { calls } = await startSilent(t)
    const [began, busy] = [performance.now(), measureStall()]
    for (const how of ['run', 'wait'] as const) {
      await assert.rejects(
        calls[how]('load', async () => assert.fail('tried')),
        { ...isRefused, message: /^The store does not answer, so 'load' was not sent/ },
      )
    }
    assert.ok(performance.now() - began < TIMEOUT / 2 + busy())
  })

  for (const [what, answer] of [
    ['a probe is answered', (asked: Asked) => asked.answer()],
    ['a probe is answered with an error', (asked: Asked) => asked.fail(failure('ERR_STORE_REPLY'))],
  ] as const) {
    it(`go through again as soon as ${what}, also one whose time is over`, async (t) => {
      const { calls, probes } = await startSilent(t)
      const first = probes[0] as Asked
      assert.ok(first.call.expired)
      await assert.rejects(calls.run('load', never), isRefused)
      answer(first)
      await new Promise(setImmediate)
      assert.equal(await calls.run('load', async () => 'answered'), 'answered')
    })
  }

  it('go through again when a call is answered that was sent before, however late', async (t) => {
    const { calls, overdue } = start(t)
    const [told, late] = [deferred<string>(), [] as Promise<string>[]]
    // Whoever takes back what was done too late has to get through.
    const takeBack = (value: string) => void late.push(calls.run('destroy', async () => `${value} and taken back`))
    const early = calls.run('create', () => told.promise, takeBack)
    await Promise.all([assert.rejects(early, { code: 'ERR_STORE_TIMEOUT' }), overdue()])
    await eventually(async () => (await calls.health()).state === 'down')
    told.resolve('late')
    await eventually(() => late.length > 0)
    assert.equal(await late[0], 'late and taken back')
    assert.equal((await calls.health()).state, 'up')
    assert.equal(await calls.run('load', async () => 'answered'), 'answered')
  })

  it('do not go through for what is no answer', async (t) => {
    const { calls, probes } = await startSilent(t)
    const asked = probes.length
    for (const probe of probes) probe.fail(failure('ERR_STORE_UNAVAILABLE'))
    await eventually(() => probes.length > asked)
    await assert.rejects(calls.run('load', never), isRefused)
  })

  it('that are under way when the store falls silent keep their own deadline', async (t) => {
    const { calls, overdue } = start(t)
    await overdue()
    // Sent before anybody knows.
    const sent = calls.run('load', never)
    const failing = assert.rejects(sent, { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
    await eventually(async () => (await calls.health()).state === 'down')
    await assert.rejects(calls.run('load', never), isRefused)
    await failing
  })

  it('are replaced by one probe at a time, not too often, each withdrawn in time', async (t) => {
    const { probes } = await startSilent(t)
    await eventually(() => probes.length >= 6)
    const pairs = [probes[0], probes[2], probes[4]] as Asked[]
    for (const [i, { at, call }] of pairs.entries()) {
      const before = pairs[i - 1]
      if (before === undefined) continue
      assert.ok(before.call.expired && before.call.signal.aborted, 'two at a time')
      assert.ok(at - before.at >= 195, `${at - before.at} ms`)
      assert.notEqual(call, before.call)
    }
  })

  it('leave nothing behind when they are closed', async (t) => {
    const { calls, probes } = await startSilent(t)
    // While one is on its way.
    const asked = probes.length
    await eventually(() => probes.length > asked)
    const last = probes.at(-1) as Asked
    calls.close()
    assert.ok(last.call.expired)
    const sent = probes.length
    assert.deepEqual(await calls.health(), { ...(await calls.health()), state: 'down' })
    await new Promise((resolve) => setTimeout(resolve, 450))
    assert.equal(probes.length, sent)
  })
})

describe('the health of a store', { timeout: 30_000 }, () => {
  it('is asked for where nobody knows, and nobody waits for longer than a probe takes', async (t) => {
    const { calls, probes } = start(t)
    const [began, busy] = [performance.now(), measureStall()]
    const health = await calls.health()
    const took = performance.now() - began
    assert.ok(took >= TIMEOUT / 2 - 2 && took < TIMEOUT / 2 + 200 + busy(), `${took} ms`)
    assert.equal(health.state, 'down')
    assert.equal(health.lastError?.code, 'ERR_STORE_TIMEOUT')
    assert.ok(
      Math.abs(health.since - Date.now()) < 1000 + busy() && Math.abs(health.lastError.at - Date.now()) < 1000 + busy(),
    )
    assert.equal(health.latency, null)
    // An idle process learns of it this way, and its next call fails at once.
    await assert.rejects(calls.run('load', never), isRefused)
    assert.equal(probes.length, 2)
  })

  it('once asked for and down, is watched from then on, though nobody asks again', async (t) => {
    let silent = true
    const { calls, probes } = start(t, () => (silent ? never() : Promise.resolve(null)))
    assert.equal((await calls.health()).state, 'down')
    silent = false
    await eventually(() => probes.length > 2)
    await new Promise(setImmediate)
    assert.equal(await calls.run('load', async () => 'answered'), 'answered')
  })

  it('is asked of nobody any more when the sessions are closed', async (t) => {
    const { calls, probes } = start(t)
    calls.close()
    assert.equal((await calls.health()).state, 'down')
    assert.deepEqual(probes, [])
  })

  it('is not asked for where the store has just served', async (t) => {
    const { calls, probes } = start(t)
    await calls.run('load', async () => null)
    const { state, lastError, latency } = await calls.health()
    assert.deepEqual([state, lastError, latency?.calls], ['up', null, 1])
    assert.deepEqual(probes, [])
  })

  it('is one question for all who ask at once', async (t) => {
    const { calls, probes } = start(t, async () => null)
    await Promise.all(Array.from({ length: 10 }, () => calls.health()))
    assert.equal(probes.length, 2)
  })

  it('tells the last error of a call, and since when the store is up again', async (t) => {
    const { calls } = start(t, async () => null)
    const { since } = await calls.health()
    await assert.rejects(
      calls.run('commit', () => Promise.reject(failure('ERR_STORE_FULL'))),
      StoreError,
    )
    await assert.rejects(
      calls.run('commit', () => Promise.reject(new SessionEndedError())),
      SessionEndedError,
    )
    await assert.rejects(
      calls.run('update', () => Promise.reject(new RangeError("the application's own"))),
      RangeError,
    )
    const health = await calls.health()
    assert.deepEqual([health.state, health.since, health.lastError?.code], ['up', since, 'ERR_STORE_FULL'])
  })

  it('is down while the store refuses to read, though calls go through and say why', async (t) => {
    let refuses = true
    const { calls } = start(t, async () => {
      if (refuses) throw failure('ERR_STORE_REPLY')
      return null
    })
    const down = await calls.health()
    assert.deepEqual([down.state, down.lastError?.code], ['down', 'ERR_STORE_REPLY'])
    await assert.rejects(
      calls.run('load', () => Promise.reject(failure('ERR_STORE_REPLY'))),
      { code: 'ERR_STORE_REPLY' },
    )
    assert.equal((await calls.health()).state, 'down')
    refuses = false
    const up = await calls.health()
    assert.ok(up.state === 'up' && up.since >= down.since)
  })

  it('never rejects, whatever the store throws', async (t) => {
    const throwing = altered(memoryStore(), {
      load: () => {
        throw new RangeError('a bug')
      },
    })
    const calls = new StoreCalls(throwing, TIMEOUT)
    t.after(() => calls.close())
    assert.equal((await calls.health()).state, 'down')
  })

  it('is up with a store in memory, and down for good when the sessions are closed', async () => {
    const calls = new StoreCalls(memoryStore(), TIMEOUT)
    assert.equal((await calls.health()).state, 'up')
    calls.close()
    const { state, since } = await calls.health()
    assert.equal(state, 'down')
    // A call that was under way.
    assert.equal(await calls.run('touch', async () => 'answered'), 'answered')
    assert.deepEqual(await calls.health(), { ...(await calls.health()), state: 'down', since })
  })
})
