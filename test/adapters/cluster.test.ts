import { CLUSTER_CLIENTS } from '../redis/many-clients.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { racesOn } from './many-servers.ts'

racesOn('a cluster', CLUSTER_CLIENTS, async () => {
  const { nodes, masters, stop } = await startCluster()
  const servers = (await masters()).map(({ server }) => server)
  return { servers, urls: nodes.map(({ server }) => server.url), stop }
})
