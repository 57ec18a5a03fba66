import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Costs, type Limits, MOST_MASTERS, planFor, ratesOf, type Site } from '../../bench/suites/scale/model.ts'
import { withTables } from '../../bench/suites/scale/page.ts'

const COSTS: Costs = {
  bytes: 1000,
  cpu: { load: 10, touch: 100, write: 100, login: 100, logout: 50 },
  event: { send: 2, receive: 2 },
}
const LIMITS: Limits = { busy: 0.5, memory: 1e9, overhead: 1 }
const SITE: Site = {
  sessions: 1_000_000,
  requestEvery: 10,
  writing: 0.1,
  lasts: 1000,
  loggedOut: 0.5,
  touchInterval: 90,
  events: false,
}

describe('the model of scale', () => {
  it('counts what comes in a second', () => {
    assert.deepEqual(ratesOf(SITE), { load: 100_000, touch: 10_000, write: 10_000, login: 1000, logout: 500 })
  })

  it('adds up the processors and the memory', () => {
    const plan = planFor(SITE, COSTS, LIMITS)
    // 1 for loads, 1 for touches, 1 for writes, 0.1 for logins, 0.025 for logouts.
    assert.equal(plan.cores.toFixed(3), '3.125')
    assert.equal(plan.bytes, 1e9)
    assert.equal(plan.mastersForMemory, 1)
    assert.equal(plan.mastersForCpu, 7)
    assert.equal(plan.masters, 7)
    assert.deepEqual([plan.limit, plan.dearest], ['processor', 'load'])
  })

  it('lets the memory decide where it needs more masters', () => {
    const plan = planFor(SITE, { ...COSTS, bytes: 20_000 }, LIMITS)
    // With 20 masters, the one with 13 of 256 partitions would hold more than it may.
    assert.deepEqual([plan.masters, plan.mastersForMemory, plan.limit], [22, 22, 'memory'])
  })

  it('twice the sessions are twice the commands, cores and bytes', () => {
    const [one, two] = [1, 2].map((times) => planFor({ ...SITE, sessions: times * 1e6 }, COSTS, LIMITS))
    assert.equal(two!.cores, 2 * one!.cores)
    assert.equal(two!.bytes, 2 * one!.bytes)
    assert.equal(two!.rates.load, 2 * one!.rates.load)
  })

  it('has every node hear of every event, however many there are, so that more masters do not help', () => {
    const site = { ...SITE, events: true }
    // 1,500 events a second. With two masters and their replicas, each sends its half to three others, and gets the other half.
    const two = planFor(
      site,
      { ...COSTS, cpu: { load: 0, touch: 0, write: 0, login: 0, logout: 0 }, bytes: 2000 },
      LIMITS,
    )
    assert.equal(two.masters, 2)
    assert.equal(two.telling.toFixed(6), ((750 * 3 * 2 + 750 * 2) / 1e6).toFixed(6))
    const cheap = { ...COSTS, cpu: { load: 1, touch: 1, write: 1, login: 1, logout: 1 } }
    const many = planFor({ ...site, sessions: 1e8 }, cheap, LIMITS)
    assert.deepEqual([many.mastersForCpu, many.limit], [Number.POSITIVE_INFINITY, 'events'])
    assert.ok(many.telling > 0.5)
  })

  it('tells nobody of anything on one server, or without the right to publish', () => {
    const quiet = { ...COSTS, cpu: { load: 0, touch: 0, write: 0, login: 1, logout: 1 } }
    assert.equal(planFor({ ...SITE, events: true }, quiet, LIMITS).telling, 0)
    assert.equal(planFor({ ...SITE, sessions: 1e7 }, COSTS, LIMITS).telling, 0)
  })

  it('knows that there are no more masters than partitions', () => {
    const plan = planFor({ ...SITE, sessions: 1e8 }, COSTS, LIMITS)
    assert.equal(plan.mastersForCpu, Number.POSITIVE_INFINITY)
    assert.ok(plan.cores / MOST_MASTERS > LIMITS.busy)
  })
})

describe('the tables of a page', () => {
  it('stand in their places, whatever stood there before', () => {
    const page = 'a\n\n<!-- one -->\nold\n\n<!-- /one -->\n\nb\n\n<!-- two -->\n<!-- /two -->\n'
    const filled = withTables(page, { one: '1', two: '2' })
    assert.equal(filled, 'a\n\n<!-- one -->\n\n1\n\n<!-- /one -->\n\nb\n\n<!-- two -->\n\n2\n\n<!-- /two -->\n')
    assert.equal(withTables(filled, { one: '1', two: '2' }), filled)
  })

  it('and a place without a table, or a table without a place, is an error', () => {
    assert.throws(() => withTables('<!-- one -->\n<!-- /one -->\n', {}), /no table one/)
    assert.throws(() => withTables('', { one: '1' }), /no place for one/)
  })
})
