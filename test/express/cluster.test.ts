import { racesContract } from '../adapter-contract/races.ts'
import { useBench } from '../adapter-contract.ts'
import { CLUSTER_CLIENTS, clientsToTry } from '../redis/many-clients.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { backendOf } from './many-servers.ts'
import { express5, expressAdapter } from './versions.ts'

for (const [name, newClient] of clientsToTry(CLUSTER_CLIENTS, 'one')) {
  const bench = useBench(async () => {
    const cluster = await startCluster()
    const masters = (await cluster.masters()).map(({ server }) => server)
    const urls = cluster.nodes.map(({ server }) => server.url)
    return backendOf(masters, cluster.stop, newClient, urls)
  })
  racesContract({ ...expressAdapter(express5), name: `Express 5 with a cluster and ${name}` }, bench)
}
