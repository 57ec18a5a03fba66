import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RedisClock, toInstant } from '../../src/redis/clock.ts'

describe("Redis's clock", () => {
  it('is not known before the first answer', () => {
    assert.equal(new RedisClock().now(), null)
  })

  it('is read from the reply to TIME', () => {
    assert.equal(toInstant(['1700000000', '999999']), 1_700_000_000_999)
  })

  it('is never behind, and ahead by no more than the quickest answer took', () => {
    const answers = fc.array(
      fc.record({ there: fc.integer({ min: 0, max: 900 }), back: fc.integer({ min: 0, max: 900 }) }),
      {
        minLength: 1,
      },
    )
    fc.assert(
      fc.property(answers, fc.integer({ min: -1e12, max: 1e12 }), (answers, offset) => {
        const clock = new RedisClock()
        let quickest = Infinity
        for (const { there, back } of answers) {
          // Redis says the time `back` ms before the answer is here, and `there` ms after the question left.
          const here = performance.now()
          clock.heard(Math.floor(here - back + offset), here - back - there)
          quickest = Math.min(quickest, there + back)
          const before = performance.now() + offset
          const told = clock.now() ?? assert.fail()
          const after = performance.now() + offset
          assert.ok(told >= Math.floor(before), `${before - told} ms behind`)
          assert.ok(told <= after + quickest + 3, `${told - after} ms ahead, quickest ${quickest}`)
        }
      }),
    )
  })

  it('follows when Redis sets its clock', () => {
    const clock = new RedisClock()
    for (const hours of [0, 5, -3, 0]) {
      const offset = 1_700_000_000_000 + hours * 3_600_000
      const here = performance.now()
      clock.heard(Math.floor(here + offset), here - 1)
      const before = performance.now()
      const now = (clock.now() ?? assert.fail()) - offset
      // However long each line took.
      assert.ok(now >= before - 10 && now < performance.now() + 10)
    }
  })
})
