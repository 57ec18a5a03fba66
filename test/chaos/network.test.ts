import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { cutReplies } from './cut-replies.ts'
import { frozenNetwork, slowNetwork, strandedConnections } from './network.ts'
import type { Result } from './under-load.ts'

function assertKept(t: TestContext, { done, measured, violations }: Result): void {
  t.diagnostic(`${done} ${JSON.stringify(measured)}`)
  assert.deepEqual(violations, [])
}

// The long forms, with every client, are in `npm run chaos`.
// Mostly they wait.
describe('while the way to Redis', { timeout: 120_000, concurrency: 2 }, () => {
  it('takes 200 ms, everything works, and a login takes no more than a second', async (t) => {
    assertKept(t, await slowNetwork(t, { client: 'node-redis', ms: 2000 }))
  })

  it('carries nothing, each request is answered in time, and served again when it does', async (t) => {
    assertKept(t, await frozenNetwork(t, { client: 'node-redis', ms: 1500 }))
  })

  it('leads nowhere and nobody says so, a client that watches it connects anew', async (t) => {
    assertKept(t, await strandedConnections(t, { client: 'ioredis', ms: 0 }))
  })

  for (const client of ['node-redis 6', 'ioredis 6']) {
    it(`breaks in the middle of a reply, nobody gets a wrong value or another's, with ${client}`, async (t) => {
      assertKept(t, await cutReplies(t, { client, step: 37 }))
    })
  }
})
