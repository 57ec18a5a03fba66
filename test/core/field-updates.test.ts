import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { SessionEndedError, StoreError } from '../../src/core/errors.ts'
import { type CompareAndSet, FieldUpdates } from '../../src/core/field-updates.ts'
import { readOptions } from '../../src/core/options.ts'
import { StoreCalls } from '../../src/core/store-calls.ts'
import { memoryStore } from '../../src/memory.ts'

const ref = { id: 'id', userId: null }
const push = (item: number) => (list: unknown) => [...((list as number[]) ?? []), item]

/** What passes it waits until it is opened. */
function gate(): { passed: Promise<void>; open(): void } {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open: () => open() }
}

/** One field in a store with slow compare-and-set, which counts its rounds. */
function start(stored: string | null = null, storeTimeout = 5000) {
  const field = { text: stored, rounds: 0, attempts: 0, before: async () => {} }
  const compareAndSet: CompareAndSet = async (_ref, _field, expected, next) => {
    field.rounds++
    for (let current = expected; ; current = field.text) {
      field.attempts++
      const text = next(current)
      await field.before()
      await pause(1)
      if (current === field.text) {
        field.text = text
        return
      }
    }
  }
  return { field, updates: updatesBy(compareAndSet, storeTimeout) }
}

function updatesBy(compareAndSet: CompareAndSet, storeTimeout: number): FieldUpdates {
  const settings = readOptions({ store: memoryStore(), storeTimeout })
  return new FieldUpdates(compareAndSet, new StoreCalls(settings.store, storeTimeout), settings)
}

describe('updates of a field', () => {
  it('that come together are applied together, each seeing the one before it', async () => {
    const { field, updates } = start()
    const texts = await Promise.all([1, 2, 3, 4, 5].map((n) => updates.run(ref, 'list', null, push(n))))
    assert.deepEqual(texts, ['[1]', '[1,2]', '[1,2,3]', '[1,2,3,4]', '[1,2,3,4,5]'])
    assert.equal(field.text, '[1,2,3,4,5]')
    // The first went alone, the others while it was on its way.
    assert.equal(field.rounds, 2)
  })

  it('are computed anew from what another writer has stored', async () => {
    const { field, updates } = start('[9]')
    const seen: unknown[] = []
    const change = (list: unknown) => {
      seen.push(list)
      return push(1)(list)
    }
    assert.equal(await updates.run(ref, 'list', null, change), '[9,1]')
    assert.deepEqual([seen, field.attempts], [[undefined, [9]], 2])
  })

  it('that fail leave the others alone, and only count with the value that was stored', async () => {
    const { field, updates } = start('5')
    const results = await Promise.allSettled([
      updates.run(ref, 'n', '5', (n) => (n as number) + 1),
      updates.run(ref, 'n', '5', () => {
        throw new RangeError('mine')
      }),
      updates.run(ref, 'n', '5', () => Number.NaN),
      updates.run(ref, 'n', '5', (n) => {
        // Fails for any value but the one that is really there.
        if (n !== 6) throw new Error('stale')
        return n * 7
      }),
    ])
    assert.deepEqual(
      results.map((result) =>
        result.status === 'fulfilled' ? result.value : (result.reason.code ?? result.reason.name),
      ),
      ['6', 'RangeError', 'ERR_FIELD_VALUE', '42'],
    )
    assert.equal(field.text, '42')
  })

  it('get a value of their own: what one keeps and changes later reaches no other', async () => {
    const { updates } = start('[{"a":1}]')
    let kept: { a: number }[] = []
    const first = updates.run(ref, 'list', '[{"a":1}]', (list) => (kept = list as { a: number }[]))
    const second = updates.run(ref, 'list', null, (list) => {
      ;(kept[0] as { a: number }).a = 99
      return list
    })
    assert.deepEqual([await first, await second], ['[{"a":1}]', '[{"a":1}]'])
  })

  it('remove a field by undefined, and find it gone', async () => {
    const { field, updates } = start('1')
    const seen: unknown[] = []
    await Promise.all([
      updates.run(ref, 'n', '1', () => undefined),
      updates.run(ref, 'n', '1', (n) => {
        seen.push(n)
        return null
      }),
    ])
    assert.deepEqual([field.text, seen], ['null', [undefined]])
  })

  it('of other fields and other sessions do not wait for each other', async () => {
    const { field, updates } = start()
    const door = gate()
    field.before = () => door.passed
    const all = [
      updates.run(ref, 'a', null, () => 1),
      updates.run(ref, 'b', null, () => 2),
      updates.run({ id: 'other', userId: null }, 'a', null, () => 3),
    ]
    await pause(5)
    assert.equal(field.rounds, 3)
    door.open()
    await Promise.allSettled(all)
  })

  it('all fail when the session has ended, and the next begin anew', async () => {
    const { field, updates } = start()
    field.before = async () => {
      throw new SessionEndedError()
    }
    const results = await Promise.allSettled([1, 2, 3].map((n) => updates.run(ref, 'list', null, push(n))))
    for (const result of results) assert.equal(result.status === 'rejected' && result.reason.code, 'ERR_SESSION_ENDED')
    field.before = async () => {}
    assert.equal(await updates.run(ref, 'list', null, push(4)), '[4]')
  })

  it('that never had their turn were certainly not carried out, and are not carried out later', async () => {
    const { field, updates } = start(null, 40)
    const door = gate()
    field.before = () => door.passed
    const first = updates.run(ref, 'list', null, push(1))
    const second = updates.run(ref, 'list', null, push(2))
    const timeout = (outcome: string) => ({ code: 'ERR_STORE_TIMEOUT', outcome })
    await Promise.all([assert.rejects(first, timeout('unknown')), assert.rejects(second, timeout('none'))])
    door.open()
    assert.equal(await updates.run(ref, 'list', null, push(3)), '[1,3]')
    assert.equal(field.text, '[1,3]')
  })

  it('that go together learn together what has become of them', async () => {
    const outcomes: string[] = []
    const compareAndSet: CompareAndSet = async (_ref, _field, _expected, _next, call) => {
      outcomes.push(call.outcome)
      await pause(1)
      // The first is refused, the second hangs, having been refused before.
      call.outcome = 'none'
      outcomes.push(call.outcome)
      if (outcomes.length === 2) throw new SessionEndedError()
      await once(call.signal, 'abort')
    }
    const updates = updatesBy(compareAndSet, 200)
    const [alone, ...together] = [1, 2, 3].map((n) => updates.run(ref, 'list', null, push(n)))
    await assert.rejects(alone as Promise<unknown>, SessionEndedError)
    for (const update of together) await assert.rejects(update, { code: 'ERR_STORE_TIMEOUT', outcome: 'none' })
    assert.deepEqual(outcomes, ['unknown', 'none', 'unknown', 'none'])
  })

  for (const outcome of ['unknown', 'none'] as const) {
    it(`that go together are told the same when the deadline passes: ${outcome}`, async () => {
      const refusal = new StoreError('ERR_STORE_UNAVAILABLE', 'It looks for its master.', 'none')
      let rounds = 0
      const compareAndSet: CompareAndSet = async (_ref, _field, expected, next, call) => {
        await pause(1)
        if (++rounds === 1) {
          next(expected)
          return
        }
        // The second is refused until the deadline has passed.
        if (outcome === 'none') call.outcome = 'none'
        call.refusal = refusal
        await once(call.signal, 'abort')
      }
      const updates = updatesBy(compareAndSet, 200)
      const [alone, ...together] = [1, 2, 3].map((n) => updates.run(ref, 'list', null, push(n)))
      assert.equal(await alone, '[1]')
      const code = outcome === 'none' ? 'ERR_STORE_UNAVAILABLE' : 'ERR_STORE_TIMEOUT'
      for (const update of together) await assert.rejects(update, { code, outcome })
      assert.equal(rounds, 2)
    })
  }
})
