import { setTimeout as pause } from 'node:timers/promises'
import { freePort, type RedisClient, type RedisServer, startRedis } from '../../test/support/redis-server.ts'

export const SLOTS = 16_384

/** A Redis Cluster without replicas: redis-cli makes none of fewer than three masters. */
export interface Masters {
  readonly urls: readonly string[]
  /** A client of each master by itself. */
  readonly clients: readonly RedisClient[]
  stop(): Promise<void>
}

export async function startMasters(count: number): Promise<Masters> {
  const servers: RedisServer[] = []
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  try {
    for (let i = 0; i < count; i++) servers.push(await startMaster())
    const clients = await Promise.all(servers.map((server) => server.connect()))
    for (const [i, client] of clients.entries()) {
      const [from, to] = [Math.ceil((SLOTS * i) / count), Math.ceil((SLOTS * (i + 1)) / count) - 1]
      await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`])
      await client.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`])
      const bus = (await client.configGet('cluster-port'))['cluster-port']
      if (i > 0) await clients[0]?.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', `${servers[i]?.port}`, `${bus}`])
    }
    for (const client of clients) await agrees(client, count)
    return { urls: servers.map(({ url }) => url), clients, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startMaster(): Promise<RedisServer> {
  for (let attempt = 1; ; attempt++) {
    // The usual port for the servers' own conversation, 10,000 above the other one, may not exist.
    const bus = await freePort()
    const options = ['--cluster-enabled', 'yes', '--cluster-port', `${bus}`, '--cluster-announce-ip', '127.0.0.1']
    try {
      return await startRedis({ args: options })
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

/** Waits until a master knows all others, and who has which slot. */
async function agrees(client: RedisClient, count: number): Promise<void> {
  const until = performance.now() + 30_000
  while (true) {
    const info = await client.clusterInfo()
    if (info.includes('cluster_state:ok') && info.includes(`cluster_size:${count}\r`)) return
    if (performance.now() > until) throw new Error(`The masters do not agree:\n${info}`)
    await pause(20)
  }
}
