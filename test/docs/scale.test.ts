import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { planFor } from '../../bench/suites/scale/model.ts'
import { withTables } from '../../bench/suites/scale/page.ts'
import { CHANGES, costsOf, LIMITS, SITE, scaleTables } from '../../bench/suites/scale/tables.ts'
import type { ScaleResult } from '../../bench/suites/scale.ts'
import { kept } from '../../bench/suites.ts'
import { ROOT, readPage } from './pages.ts'

// docs/scale.md says what the last run of `npm run bench -- scale` has found.

const PAGE = 'docs/scale.md'
const found = kept('scale')
assert.ok(found, 'npm run bench -- scale has not been run')
const result = found.result as ScaleResult
const expected = withTables(readPage(PAGE), scaleTables(result))
if (process.env.UPDATE_DOCS) writeFileSync(join(ROOT, PAGE), expected)

test('the tables of docs/scale.md are made of what was measured', () => {
  assert.equal(readPage(PAGE), expected, 'bring it up to date with UPDATE_DOCS=1')
})

describe('what docs/scale.md says of its tables', () => {
  const plans = CHANGES.map(({ site, monitoring }) =>
    planFor({ ...SITE, sessions: 1e8, ...site }, costsOf(result, monitoring), LIMITS),
  )

  it('is so: the processor is the limit before memory, and touches take the most of it', () => {
    for (const sessions of [1e6, 1e7, 1e8]) {
      const plan = planFor({ ...SITE, sessions }, costsOf(result, true), LIMITS)
      assert.ok(plan.mastersForCpu > plan.mastersForMemory, `${sessions} sessions`)
      assert.equal(plan.dearest, 'touch')
    }
  })

  it('is so: every change takes work away, and loads are what is left', () => {
    const cores = plans.map((plan) => plan.cores + plan.telling * plan.masters)
    assert.deepEqual(
      cores.toSorted((a, b) => b - a),
      cores,
    )
    assert.equal(plans.at(-1)?.dearest, 'load')
  })

  it('is so: telling of events hardly gets smaller with more masters', () => {
    const site = { ...SITE, sessions: 1e8, touchInterval: 300 }
    const idle = { ...costsOf(result, true), cpu: { load: 0, touch: 0, write: 0, login: 0, logout: 0 } }
    const [few, many] = [1e9, 1e10].map((memory) => planFor(site, idle, { ...LIMITS, memory }))
    assert.ok(few && many && few.masters > 5 * many.masters)
    assert.ok(few.telling < 1.2 * many.telling && many.telling < 1.2 * few.telling)
  })

  it('is so: a touch costs several loads, and monitoring a part of it', () => {
    const [on, off] = [costsOf(result, true), costsOf(result, false)]
    assert.ok(on.cpu.touch > 2 * on.cpu.load)
    assert.ok(off.cpu.touch < on.cpu.touch && off.bytes < on.bytes)
  })
})
