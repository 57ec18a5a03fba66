import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import memory from '../../bench/suites/memory.ts'

describe('the report on memory', () => {
  const reported = (hash: number) => {
    const parts = { hash, user: 80, classes: 130, users: 35, seen: 135 }
    const one = { name: 'short3', sessions: 1_000_000, parts, connectRedis: 440 }
    return memory.report({ sessions: 1_000_000, cases: [one], since: 195.4 })
  }

  it('adds up what is needed without monitoring and with it', () => {
    const { markdown } = reported(400)
    const row = markdown.split('\n').find((line) => line.includes('(1,000,000)'))
    assert.deepEqual(row?.split('|').slice(2, -1).map(Number), [400, 80, 130, 135, 35, 610, 780, 440])
    assert.match(markdown, /`since` takes 195 B a user/)
  })

  it('says which requirements are met', () => {
    const met = (hash: number) => reported(hash).requirements?.map((each) => each.met)
    assert.deepEqual(met(410), [true, true, true])
    assert.deepEqual(met(411), [false, true, true])
    assert.deepEqual(met(511), [false, false, true])
    assert.deepEqual(met(521), [false, false, false])
  })
})
