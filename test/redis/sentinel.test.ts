import { after, before } from 'node:test'
import { type RedisSentinels, startSentinels } from '../support/redis-sentinel.ts'
import { SENTINEL_CLIENTS } from './many-clients.ts'
import { contractsOn } from './many-servers.ts'

let sentinels: RedisSentinels
before(async () => {
  sentinels = await startSentinels()
})
after(() => sentinels.stop())

contractsOn({
  where: 'what Sentinels watch',
  clients: SENTINEL_CLIENTS,
  urls: () => sentinels.urls,
  masters: async () => [(await sentinels.master()).client],
  isCluster: false,
})
