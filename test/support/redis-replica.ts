import { setTimeout as pause } from 'node:timers/promises'
import { type RedisClient, type RedisServer, type StartOptions, startRedis } from './redis-server.ts'
import * as tcp from './tcp-proxy.ts'

/** A master and its only replica, with a network between them that can be slow. */
export interface Replicated {
  readonly master: RedisServer
  readonly replica: RedisServer
  /** Clients of each, to look at what is there. */
  readonly atMaster: RedisClient
  readonly atReplica: RedisClient
  readonly network: tcp.Proxy
  stop(): Promise<void>
}

export async function startReplicated({ args = [] }: Pick<StartOptions, 'args'> = {}): Promise<Replicated> {
  const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0', ...args] })
  const network = await tcp.startProxy(master.port)
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${network.port}`] })
  const [atMaster, atReplica] = await Promise.all([master.connect(), replica.connect()])
  while (!(await atMaster.info('replication')).includes('state=online')) await pause(10)
  return {
    master,
    replica,
    atMaster,
    atReplica,
    network,
    async stop() {
      await replica.stop()
      await network.stop()
      await master.stop()
    },
  }
}
