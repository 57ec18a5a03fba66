import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { block } from '../docs/pages.ts'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { CLUSTER_CLIENTS, clientsToTry, type ManyClient } from './many-clients.ts'

const GOOD = ['--maxmemory', '200mb', '--appendonly', 'yes', '--cluster-require-full-coverage', 'no']

// In this order: each test leaves the cluster as it is said to be, and the last one kills a master.
describe('sessions.check() on a cluster', { timeout: 120_000 }, () => {
  let cluster: RedisCluster
  const clients = new Map<string, ManyClient>()
  const url = (i: number) => cluster.nodes[i]!.server.url
  const address = (i: number) => new URL(url(i)).host

  before(async () => {
    cluster = await startCluster({ args: GOOD })
    for (const [name, newClient] of clientsToTry(CLUSTER_CLIENTS)) {
      const client = newClient([url(0), url(1)])
      clients.set(name, client)
      await client.connect()
    }
  })
  after(async () => {
    for (const client of clients.values()) await client.destroy()
    await cluster.stop()
  })

  async function check(name: string) {
    const sessions = createSessions({ store: redisStore(clients.get(name)!.client), storeTimeout: '5s' })
    const findings = await sessions.check()
    return findings.map(({ code, level, server }) => [code, level, server])
  }

  for (const [name, newClient] of clientsToTry(CLUSTER_CLIENTS)) {
    it(`has nothing to say of a good one, by ${name}`, async () => {
      assert.deepEqual(await check(name), [])
    })

    it(`says of which servers something is so, once, by ${name}`, async () => {
      const [first, second, third] = cluster.nodes.map(({ client }) => client)
      for (const client of [first, second, third]) await client!.configSet('cluster-require-full-coverage', 'yes')
      await second!.configSet('maxmemory-policy', 'allkeys-lru')
      const findings = await check(name)
      for (const client of [first, second, third]) await client!.configSet('cluster-require-full-coverage', 'no')
      await second!.configSet('maxmemory-policy', 'noeviction')
      assert.deepEqual(
        findings.map(([code]) => code),
        ['EVICTION', 'CLUSTER_COVERAGE'],
      )
      assert.deepEqual(findings[0], ['EVICTION', 'error', address(1)])
      const all = [address(0), address(1), address(2)]
      assert.deepEqual(String(findings[1]?.[2]).split(', ').sort(), all.sort())
    })

    it(`asks every server what its user may do, by ${name}`, async (t) => {
      const [, , user = '', ...rule] = block('docs/production.md', 'acl').trim().split(/\s+/)
      // As docs/cluster.md has it.
      const more = ['+cluster|slots', '+cluster|info', '+asking', '+readonly']
      for (const { client } of cluster.nodes) await client.sendCommand(['ACL', 'SETUSER', user, ...rule, ...more])
      await cluster.nodes[2]!.client.sendCommand(['ACL', 'SETUSER', user, '-zadd'])
      await cluster.nodes[1]!.client.sendCommand(['ACL', 'SETUSER', user, '-asking'])
      const login = { username: user, password: 'secret' }
      const options = name.startsWith('node-redis')
        ? { defaults: login }
        : { redisOptions: { ...login, autoResendUnfulfilledCommands: false } }
      const client = newClient([url(0), url(1)], options)
      t.after(() => client.destroy())
      await client.connect()
      const sessions = createSessions({ store: redisStore(client.client), storeTimeout: '5s' })
      const findings = await sessions.check()
      const told = new Map(
        findings.map(({ code, message, server }) => [server, [code, message.split('SETUSER <user> ')[1]]]),
      )
      assert.deepEqual(told.get(address(1)), ['ACL', '+asking'])
      assert.deepEqual(told.get(address(2)), ['ACL', '+zadd'])
      assert.equal(findings.length, 2)
    })
  }

  it('tells of a master that is away, and goes on with the others; and of one without a replica', async () => {
    await cluster.nodes[4]!.server.stop()
    await cluster.nodes[2]!.server.stop()
    const first = cluster.nodes[1]!.client
    while (!(await first.info('replication')).includes('connected_slaves:0')) await first.ping()
    for (const name of clients.keys()) {
      const sessions = createSessions({ store: redisStore(clients.get(name)!.client), storeTimeout: 500 })
      const findings = await sessions.check()
      const brief = findings.map(({ code, level, server }) => [code, level, server])
      assert.deepEqual(
        brief.filter(([code]) => code !== 'CLUSTER_STATE'),
        [
          ['UNREACHABLE', 'error', address(2)],
          ['CLUSTER_REPLICA', 'warning', address(1)],
        ],
      )
    }
  })
})
