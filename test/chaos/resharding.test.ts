import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { failoverWhileMoving } from './failover-while-moving.ts'
import { resharding } from './resharding.ts'

describe('while slots of a cluster move', { timeout: 180_000 }, () => {
  let cluster: RedisCluster
  before(async () => {
    cluster = await startCluster()
  })
  after(() => cluster.stop())

  for (const client of ['node-redis', 'ioredis'] as const) {
    it(`64 clients lose nothing, nothing that ended comes back, and indexes and hashes agree, with ${client}`, async (t) => {
      const { done, measured, violations } = await resharding(t, cluster, { client, ms: 1500, byRedisCli: false })
      t.diagnostic(`${done} ${JSON.stringify(measured)}`)
      assert.deepEqual(violations, [])
      assert.ok(Number(measured.acknowledged) > 100)
    })
  }
})

// A cluster of its own: where slots have moved a few at a time, replicas may not agree on all of them ever after, by Redis's rules
// of which claim is newer, and who takes over has what it knows of.
describe('while a slot of a cluster moves', { timeout: 180_000 }, () => {
  let cluster: RedisCluster
  before(async () => {
    cluster = await startCluster()
  })
  after(() => cluster.stop())

  // The first takes a master away, and its replica is the master then.
  for (const killed of ['target', 'source'] as const) {
    it(`and the ${killed} dies, what has been moved is ${killed === 'target' ? 'refused' : 'not seen'} until the cluster is fixed`, async (t) => {
      const { done, measured, violations } = await failoverWhileMoving(t, cluster, { client: 'node-redis', killed })
      t.diagnostic(`${done} ${JSON.stringify(measured)}`)
      assert.deepEqual(violations, [])
    })
  }
})
