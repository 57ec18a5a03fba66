import { racesContract } from '../adapter-contract/races.ts'
import { useBench } from '../adapter-contract.ts'
import { clientsToTry, SENTINEL_CLIENTS } from '../redis/many-clients.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { backendOf } from './many-servers.ts'
import { express5, expressAdapter } from './versions.ts'

for (const [name, newClient] of clientsToTry(SENTINEL_CLIENTS, 'one')) {
  const bench = useBench(async () => {
    const sentinels = await startSentinels()
    const { server } = await sentinels.master()
    return backendOf([server], sentinels.stop, newClient, sentinels.urls)
  })
  racesContract({ ...expressAdapter(express5), name: `Express 5 with Sentinels and ${name}` }, bench)
}
