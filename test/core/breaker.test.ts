import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Breaker } from '../../src/core/breaker.ts'

describe('the breaker', () => {
  it('suspects a store that has answered nothing since a call was sent whose deadline has passed', () => {
    const breaker = new Breaker()
    breaker.answered()
    const since = breaker.answers
    assert.equal(breaker.state, 'closed')
    breaker.overdue(since)
    assert.equal(breaker.state, 'suspect')
  })

  it('suspects no store that has answered anything since', () => {
    const breaker = new Breaker()
    const since = breaker.answers
    breaker.answered()
    breaker.overdue(since)
    assert.equal(breaker.state, 'closed')
  })

  it('opens when a probe is not answered either, and only if nothing else was meanwhile', () => {
    const breaker = new Breaker()
    breaker.overdue(breaker.answers)
    const since = breaker.answers
    breaker.answered()
    breaker.overdue(breaker.answers)
    breaker.unanswered(since)
    assert.equal(breaker.state, 'suspect')
    breaker.unanswered(breaker.answers)
    assert.equal(breaker.state, 'open')
  })

  it('closes with any answer, and is not opened by what was sent before it', () => {
    const breaker = new Breaker()
    const since = breaker.answers
    breaker.overdue(since)
    breaker.unanswered(since)
    breaker.overdue(since)
    assert.equal(breaker.state, 'open')
    breaker.answered()
    assert.equal(breaker.state, 'closed')
    breaker.overdue(since)
    breaker.unanswered(since)
    assert.equal(breaker.state, 'closed')
  })
})
