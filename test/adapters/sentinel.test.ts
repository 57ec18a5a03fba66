import { SENTINEL_CLIENTS } from '../redis/many-clients.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { racesOn } from './many-servers.ts'

racesOn('Sentinels', SENTINEL_CLIENTS, async () => {
  const { master, urls, stop } = await startSentinels()
  return { servers: [(await master()).server], urls, stop }
})
