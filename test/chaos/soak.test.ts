import assert from 'node:assert/strict'
import test from 'node:test'
import { soak } from './soak.ts'

test('64 clients do everything while connections are killed, and every promise is kept', {
  timeout: 120_000,
}, async (t) => {
  const { done, measured, violations } = await soak(t, { client: 'node-redis', ms: 3000, memory: false })
  t.diagnostic(`${done} ${JSON.stringify(measured)}`)
  assert.deepEqual(violations, [])
  assert.ok(Number(measured.acknowledged) > 100)
})
