import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { tagOfUser } from '../../src/core/token.ts'
import { createSessions, StoreError } from '../../src/index.ts'
import { slotOf } from '../../src/redis/clients/slots.ts'
import { redisStore } from '../../src/redis.ts'
import { type ClusterNode, type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { type RedisSentinels, startSentinels } from '../support/redis-sentinel.ts'
import { CLUSTER_CLIENTS, clientsToTry, type NewManyClient, SENTINEL_CLIENTS } from './many-clients.ts'
import { keysOf, newPrefix } from './support.ts'

// `waitForReplicas` on several servers: the replicas of the master that has done it are asked, and no others.

async function open(t: TestContext, newClient: NewManyClient, urls: readonly string[], waitForReplicas = 1) {
  const made = newClient(urls)
  t.after(() => made.destroy())
  await made.connect()
  const prefix = newPrefix()
  const sessions = createSessions({ store: redisStore(made.client, { prefix, waitForReplicas }), storeTimeout: '1s' })
  t.after(() => sessions.close())
  return { sessions, prefix }
}

/** Tries until it is acknowledged: a failover takes a while. */
async function eventually<T>(what: string, run: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + 30_000; ; ) {
    try {
      return await run()
    } catch (error) {
      assert.ok(error instanceof StoreError && performance.now() < until, `${what}: ${error}`)
      await pause(20)
    }
  }
}

for (const [name, newClient] of clientsToTry(CLUSTER_CLIENTS)) {
  describe(`on a cluster with ${name}, a wait for replicas`, { timeout: 120_000 }, () => {
    let cluster: RedisCluster
    before(async () => {
      cluster = await startCluster()
    })
    after(() => cluster.stop())

    const userAt = async (master: ClusterNode) => {
      for (let i = 0; ; i++) {
        if ((await cluster.masterOf(slotOf(`{${tagOfUser(`user ${i}`)}}`))) === master) return `user ${i}`
      }
    }

    it('is for those of the master that has done it, and goes on at the one that takes its place', async (t) => {
      const { sessions, prefix } = await open(t, newClient, [cluster.nodes[0]?.server.url ?? ''])
      const [one, two] = (await cluster.masters()) as [ClusterNode, ClusterNode]
      const [atOne, atTwo] = await Promise.all([userAt(one), userAt(two)])
      // At first the masters, then their replicas in the same order.
      const replica = cluster.nodes[cluster.nodes.indexOf(one) + 3] as ClusterNode
      const isAt = async (id: string) => {
        await replica.client.sendCommand(['READONLY'])
        return (await replica.client.exists(keysOf(prefix, id).session)) === 1
      }
      const { id, token } = await sessions.create({}, { userId: atOne })
      assert.equal(await isAt(id), true)
      await sessions.create({}, { userId: atTwo })

      process.kill(replica.server.pid, 'SIGSTOP')
      const refused = { code: 'ERR_STORE_REPLICAS', outcome: 'unknown' }
      await assert.rejects(sessions.create({}, { userId: atOne }), refused)
      await sessions.create({}, { userId: atTwo })
      process.kill(replica.server.pid, 'SIGCONT')
      await eventually('a login', () => sessions.create({}, { userId: atOne }))

      await cluster.takeOver(replica)
      await eventually('a login after the failover', () => sessions.create({}, { userId: atOne }))
      assert.equal(await eventually('a logout', () => sessions.destroy(token)), true)
      await replica.client.sendCommand(['READWRITE'])
      assert.equal(await isAt(id), false)
    })
  })
}

for (const [name, newClient] of clientsToTry(SENTINEL_CLIENTS)) {
  describe(`with Sentinels and ${name}, a wait for replicas`, { timeout: 120_000 }, () => {
    let sentinels: RedisSentinels
    before(async () => {
      sentinels = await startSentinels()
    })
    after(() => sentinels.stop())

    it('is for those of the master, and goes on at the one that takes its place', async (t) => {
      const { sessions, prefix } = await open(t, newClient, sentinels.urls, 2)
      const alone = await open(t, newClient, sentinels.urls, 1)
      const { id } = await sessions.create({}, { userId: 'ada' })
      for (const { client } of sentinels.servers) assert.equal(await client.exists(keysOf(prefix, id).session), 1)
      await alone.sessions.create({}, { userId: 'ada' })

      await sentinels.killMaster()
      const another = await eventually('a login', () => alone.sessions.create({}, { userId: 'ada' }))
      const { client } = await sentinels.master()
      assert.equal(await client.exists(keysOf(alone.prefix, another.id).session), 1)
      // It has one replica by now.
      await assert.rejects(sessions.create({}, { userId: 'ada' }), { code: 'ERR_STORE_REPLICAS' })
      assert.notEqual(await sessions.find(id), null)
    })
  })
}
