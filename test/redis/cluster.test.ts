import { after, before } from 'node:test'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { CLUSTER_CLIENTS } from './many-clients.ts'
import { contractsOn } from './many-servers.ts'

let cluster: RedisCluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster.stop())

contractsOn({
  where: 'a cluster',
  clients: CLUSTER_CLIENTS,
  urls: () => cluster.nodes.map(({ server }) => server.url),
  masters: async () => (await cluster.masters()).map(({ client }) => client),
  isCluster: true,
})
