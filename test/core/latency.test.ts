import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Latencies } from '../../src/core/latency.ts'

const MINUTE = 60_000

describe('latencies', () => {
  it('are none as long as nothing was answered', () => {
    assert.equal(new Latencies().summary(0), null)
  })

  it('are told in milliseconds, to within one percent', () => {
    const latencies = new Latencies()
    for (let ms = 1; ms <= 1000; ms++) latencies.record(ms / 10, 1)
    const { p50, p95, p99, max, calls } = latencies.summary(2) ?? assert.fail()
    for (const [actual, expected] of [
      [p50, 50],
      [p95, 95],
      [p99, 99],
      [max, 100],
    ] as const) {
      assert.ok(Math.abs(actual - expected) <= expected / 100, `${actual} for ${expected}`)
    }
    assert.equal(calls, 1000)
  })

  it('count calls of less than a microsecond, and of hours', () => {
    const latencies = new Latencies()
    latencies.record(0, 0)
    latencies.record(3_500_000, 1)
    assert.equal(latencies.summary(1)?.calls, 2)
  })

  it('are of the last one to two minutes', () => {
    const latencies = new Latencies()
    latencies.record(1000, 10)
    latencies.record(1, MINUTE + 10)
    assert.equal(latencies.summary(MINUTE + 20)?.calls, 2)
    latencies.record(1, 2 * MINUTE + 20)
    const { max, calls } = latencies.summary(2 * MINUTE + 30) ?? assert.fail()
    assert.deepEqual([max < 2, calls], [true, 2])
    // Also when nothing is called any more.
    assert.equal(latencies.summary(3 * MINUTE + 30)?.calls, 1)
    assert.equal(latencies.summary(4 * MINUTE + 40), null)
  })

  it('of long ago are gone at once', () => {
    const latencies = new Latencies()
    latencies.record(1000, 10)
    assert.equal(latencies.summary(10 * MINUTE), null)
    latencies.record(1, 20 * MINUTE)
    assert.equal(latencies.summary(20 * MINUTE)?.calls, 1)
  })
})
