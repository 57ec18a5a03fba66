import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { giveUp, withDeadline } from '../../src/core/deadline.ts'
import { StoreError } from '../../src/core/errors.ts'
import type { StoreCall } from '../../src/core/store.ts'
import { measureStall } from '../support/lag.ts'
import { block } from './support.ts'

const never = () => new Promise<never>(() => undefined)

describe('a store call under a deadline', () => {
  it('gives what the store gives, value or error, and leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    assert.equal(await withDeadline(60_000, 'load', async () => 'value'), 'value')
    const error = new RangeError('mine')
    await assert.rejects(
      withDeadline(60_000, 'load', async () => {
        throw error
      }),
      error,
    )
    assert.equal(timers(), before)
  })

  it('fails at the deadline, whatever the store does, and says what and how long', async () => {
    const [started, busy] = [performance.now(), measureStall()]
    await assert.rejects(withDeadline(50, 'commit', never), {
      name: 'StoreError',
      code: 'ERR_STORE_TIMEOUT',
      status: 503,
      outcome: 'unknown',
      message: "The store did not answer 'commit' within 50 ms. Whether it was carried out is unknown.",
    })
    const took = performance.now() - started
    assert.ok(took >= 48 && took < 250 + busy(), `took ${took} ms`)
  })

  it('is told to stop at the deadline, also when it asks later', async () => {
    let seen: StoreCall | undefined
    let aborted = 0
    const failing = withDeadline(20, 'commit', (call) => {
      seen = call
      assert.equal(call.expired, false)
      assert.equal(call.signal, call.signal)
      call.signal.addEventListener('abort', () => aborted++)
      return never()
    })
    await assert.rejects(failing, StoreError)
    assert.deepEqual([seen?.expired, seen?.signal.aborted, aborted], [true, true, 1])

    await assert.rejects(
      withDeadline(20, 'commit', (call) => {
        seen = call
        return never()
      }),
      StoreError,
    )
    assert.equal(seen?.signal.aborted, true)
  })

  it('has no outcome when what was queued could be withdrawn', async () => {
    const failing = withDeadline(20, 'commit', (call) => {
      return new Promise((_, reject) => {
        call.signal.addEventListener('abort', () => {
          call.outcome = 'none'
          reject(new Error('The command was aborted'))
        })
      })
    })
    const none = { code: 'ERR_STORE_TIMEOUT', outcome: 'none', message: /It was not carried out/ }
    await assert.rejects(failing, none)
    // Or when the store has said so before.
    await assert.rejects(
      withDeadline(20, 'commit', (call) => {
        call.outcome = 'none'
        return never()
      }),
      none,
    )
  })

  it('fails with its own error when that came at the deadline and the outcome is unknown', async () => {
    const error = new StoreError('ERR_STORE_UNAVAILABLE', 'lost', 'unknown')
    const failing = withDeadline(20, 'commit', (call) => {
      return new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(error)))
    })
    await assert.rejects(failing, error)
  })

  it('takes an answer that had arrived while this process was busy', async () => {
    const answer = withDeadline(20, 'load', async () => {
      await pause(10)
      return 'in time'
    })
    await new Promise(setImmediate)
    block(40)
    assert.equal(await answer, 'in time')
  })

  it('hands a late value over, and ignores a late error', async () => {
    const late: string[] = []
    let answer: (value: string) => void = () => undefined
    let fail: (error: Error) => void = () => undefined
    const calls = [
      withDeadline(20, 'create', () => new Promise<string>((resolve) => (answer = resolve)), {
        late: (value) => late.push(value),
      }),
      withDeadline(20, 'create', () => new Promise<string>((_, reject) => (fail = reject)), {
        late: (value) => late.push(value),
      }),
      withDeadline(20, 'create', async () => 'in time', { late: (value) => late.push(value) }),
    ]
    const [first, second, third] = await Promise.allSettled(calls)
    assert.deepEqual([first?.status, second?.status, third?.status], ['rejected', 'rejected', 'fulfilled'])
    assert.deepEqual(late, [])
    answer('late')
    fail(new Error('late too'))
    await new Promise(setImmediate)
    assert.deepEqual(late, ['late'])
  })

  it('fails with the error of the deadline when it gives up after it', async () => {
    const failing = withDeadline(20, 'update', async (call) => {
      await once(call.signal, 'abort')
      giveUp(call)
    })
    await assert.rejects(failing, { code: 'ERR_STORE_TIMEOUT', outcome: 'none' })
  })
})
