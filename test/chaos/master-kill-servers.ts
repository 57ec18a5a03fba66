import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ClusterNode, startCluster } from '../support/redis-cluster.ts'
import { startSentinels } from '../support/redis-sentinel.ts'

/** Servers one of whose masters is killed again and again, and noticed to be gone within a second. Each has one replica. */
export interface Killable {
  readonly urls: readonly string[]
  /** Kills a master. Returns at once. */
  kill(): Promise<void>
  /** Returns when another one has taken its place. */
  takenOver(): Promise<void>
  /** Starts it again. Returns when it is a replica in step. */
  restore(): Promise<void>
  stop(): Promise<void>
}

const DETECTION = 1000

export async function killableCluster(): Promise<Killable> {
  const dir = mkdtempSync(join(tmpdir(), 'coatcheck-kill-'))
  const args = ['--cluster-node-timeout', `${DETECTION}`, '--cluster-replica-no-failover', 'no']
  // Else a replica that has been without its master for long does not dare.
  const cluster = await startCluster({ args: [...args, '--cluster-replica-validity-factor', '0'], dir })
  let [turn, killed, left] = [0, undefined as ClusterNode | undefined, [] as ClusterNode[]]
  return {
    urls: cluster.nodes.map(({ server }) => server.url),
    async kill() {
      const masters = await cluster.masters()
      killed = masters[turn++ % masters.length] as ClusterNode
      left = masters.filter((node) => node !== killed)
      process.kill(killed.pid(), 'SIGKILL')
    },
    async takenOver() {
      while (killed?.client.isReady) await pause(5)
      while (true) {
        const masters = await cluster.masters()
        const living = masters.filter((node) => node !== killed)
        const states = await Promise.all(living.map(({ client }) => client.clusterInfo()))
        if (living.length > left.length && states.every((info) => info.includes('cluster_state:ok'))) return
        await pause(20)
      }
    },
    async restore() {
      const node = killed as ClusterNode
      await node.restart()
      while (!node.client.isReady) await pause(10)
      while (!(await node.client.info('replication')).includes('master_link_status:up')) await pause(20)
      // All know it again: else the next one has nobody to vote for.
      for (const { client } of cluster.nodes) while (/fail/.test(await client.clusterNodes())) await pause(20)
    },
    async stop() {
      await cluster.stop()
      rmSync(dir, { recursive: true })
    },
  }
}

export async function killableSentinels(): Promise<Killable> {
  const sentinels = await startSentinels({ replicas: 1, downAfter: DETECTION })
  const pids = new Map(sentinels.servers.map(({ server }) => [server.port, server.pid]))
  let [port, at] = [0, Number.NEGATIVE_INFINITY]
  return {
    urls: sentinels.urls,
    async kill() {
      // Sentinels do not begin a failover within twice the failover-timeout of the one before.
      await pause(Math.max(0, at + 6000 - performance.now()))
      const { server } = await sentinels.master()
      port = server.port
      process.kill(pids.get(port) ?? server.pid, 'SIGKILL')
    },
    async takenOver() {
      while (true) {
        const { server, client } = await sentinels.master()
        if (server.port !== port && client.isReady && (await client.info('replication')).includes('role:master')) break
        await pause(20)
      }
      at = performance.now()
    },
    async restore() {
      pids.set(port, await sentinels.restart(port))
    },
    stop: sentinels.stop,
  }
}
