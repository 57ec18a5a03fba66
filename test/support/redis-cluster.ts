import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort, type RedisClient, type RedisServer, type StartOptions, startRedis } from './redis-server.ts'

// A real Redis Cluster for tests: three masters with a replica each, made by the commands that redis-cli sends.

const SLOTS = 16_384
const MASTERS = 3

/** One server of a cluster, and a client of it alone. */
export interface ClusterNode {
  readonly server: RedisServer
  readonly client: RedisClient
  /** The name that the servers give it. */
  readonly id: string
  /** Its process now. */
  pid(): number
  /** Starts it again after it was killed; it finds its place by what it has kept. */
  restart(): Promise<void>
}

export interface RedisCluster {
  /** All servers: at first, the masters and then their replicas in the same order. */
  readonly nodes: readonly ClusterNode[]
  /** Those that are masters now, as one that is alive sees them. */
  masters(): Promise<ClusterNode[]>
  /** The master that has a slot. */
  masterOf(slot: number): Promise<ClusterNode>
  /** Makes a replica the master of its shard, whether the master lives or not; returns when all that live agree. */
  takeOver(replica: ClusterNode): Promise<void>
  /** Waits until all that live agree on who has which slots, and since when: replicas hear of moves a little later. */
  agree(): Promise<void>
  /** Moves a slot as redis-cli does, step by step. */
  move(slot: number, from: ClusterNode, to: ClusterNode): SlotMove
  stop(): Promise<void>
}

/** The steps by which a slot gets from one master to another. */
interface SlotMove {
  /** From now on, what the old master does not have is asked for at the new one. */
  begin(): Promise<void>
  /** Moves these keys, or all. */
  keys(keys?: readonly string[]): Promise<void>
  /** The new master has the slot. */
  end(): Promise<void>
}

/** @param dir a folder for what the servers keep, for tests that start one again */
export async function startCluster({ args = [], dir }: Pick<StartOptions, 'args' | 'dir'> = {}): Promise<RedisCluster> {
  const again: RedisServer[] = []
  const folders = Array.from({ length: 2 * MASTERS }, (_, i) => (dir === undefined ? undefined : join(dir, `${i}`)))
  const nodes = await Promise.all(folders.map((folder) => startNode(args, folder, again)))
  const [first] = nodes as [ClusterNode]
  const alive = () => nodes.filter(({ client }) => client.isReady)
  const stop = async () => {
    await Promise.all([...nodes.map(({ server }) => server), ...again].map((server) => server.stop()))
  }

  const masters = async () => {
    const [witness] = alive() as [ClusterNode]
    const lines = await viewOf(witness)
    return lines
      .filter(({ flags, slots }) => flags.includes('master') && !flags.includes('fail') && slots.length > 0)
      .map(({ id }) => nodes.find((node) => node.id === id) ?? assert.fail(id))
  }

  try {
    for (const [i, { client }] of nodes.slice(0, MASTERS).entries()) {
      const [from, to] = [Math.ceil((SLOTS * i) / MASTERS), Math.ceil((SLOTS * (i + 1)) / MASTERS) - 1]
      await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`])
    }
    for (const [i, { client, server }] of nodes.entries()) {
      await client.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`])
      const bus = String(await client.configGet('cluster-port').then((config) => config['cluster-port']))
      if (i > 0) await first.client.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', `${server.port}`, bus])
    }
    const know = (n: number) => async (node: ClusterNode) => {
      const lines = await viewOf(node)
      return lines.length === n && lines.every(({ flags }) => !flags.includes('handshake'))
    }
    await all(nodes, know(nodes.length))
    for (const [i, { client }] of nodes.slice(MASTERS).entries()) {
      await client.sendCommand(['CLUSTER', 'REPLICATE', (nodes[i] as ClusterNode).id])
    }
    await all(nodes.slice(MASTERS), async ({ client }) =>
      /master_link_status:up/.test(await client.info('replication')),
    )
    await all(nodes, isOk)
  } catch (error) {
    await stop()
    throw error
  }

  return {
    nodes,
    masters,
    async masterOf(slot) {
      for (const node of await masters()) {
        const own = (await viewOf(node)).find(({ flags }) => flags.includes('myself'))
        if (own?.slots.some(([from, to]) => slot >= from && slot <= to)) return node
      }
      return assert.fail(`nobody has slot ${slot}`)
    },
    async takeOver(replica) {
      await replica.client.sendCommand(['CLUSTER', 'FAILOVER', 'TAKEOVER'])
      await all(alive(), async (node) => {
        const seen = (await viewOf(node)).find(({ id }) => id === replica.id)
        return seen?.flags.includes('master') === true && seen.slots.length > 0 && (await isOk(node))
      })
    },
    async agree() {
      let owners = ''
      const isTheSame = async (node: ClusterNode) => (await ownersSeenBy(node)) === owners
      await all(alive().slice(0, 1), async (node) => {
        owners = await ownersSeenBy(node)
        return (await Promise.all(alive().map(isTheSame))).every(Boolean)
      })
    },
    move(slot, from, to) {
      const set = (node: ClusterNode, ...words: string[]) =>
        node.client.sendCommand(['CLUSTER', 'SETSLOT', `${slot}`, ...words])
      return {
        async begin() {
          await set(to, 'IMPORTING', from.id)
          await set(from, 'MIGRATING', to.id)
        },
        async keys(keys) {
          const some = keys ?? (await from.client.clusterGetKeysInSlot(slot, 10_000))
          const words = ['MIGRATE', '127.0.0.1', `${to.server.port}`, '', '0', '5000', 'KEYS']
          if (some.length > 0) await from.client.sendCommand([...words, ...some])
        },
        async end() {
          for (const node of [to, from]) await set(node, 'NODE', to.id)
          for (const node of await masters()) await set(node, 'NODE', to.id)
        },
      }
    },
    stop,
  }
}

async function startNode(args: readonly string[], dir: string | undefined, again: RedisServer[]): Promise<ClusterNode> {
  const place = dir === undefined ? {} : { dir: mkdirSync(dir, { recursive: true }) ?? dir }
  for (let attempt = 1; ; attempt++) {
    // The usual port for the servers' own conversation, 10,000 above the other one, may not exist.
    const bus = await freePort()
    const options = ['--cluster-enabled', 'yes', '--cluster-port', `${bus}`, '--cluster-announce-ip', '127.0.0.1']
    // A replica takes over when a test says so, not when a busy machine keeps its master from answering. And it gets its copy at
    // once, not with others that may come.
    options.push('--cluster-replica-no-failover', 'yes', '--repl-diskless-sync-delay', '0')
    try {
      const start = { args: [...options, ...args], ...place }
      const server = await startRedis(start)
      const client = await server.connect({ socket: { reconnectStrategy: () => 50 } })
      client.setMaxListeners(0)
      let { pid } = server
      const restart = async () => {
        const another = await startRedis({ ...start, port: server.port })
        again.push(another)
        pid = another.pid
      }
      return { server, client, id: await client.clusterMyId(), pid: () => pid, restart }
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

async function isOk({ client }: ClusterNode): Promise<boolean> {
  return (await client.clusterInfo()).includes('cluster_state:ok')
}

interface Seen {
  readonly id: string
  readonly flags: readonly string[]
  /** The higher, the newer is what it says of its slots. */
  readonly epoch: string
  readonly slots: readonly (readonly [from: number, to: number])[]
}

/** How a server sees the cluster. */
async function viewOf({ client }: ClusterNode): Promise<Seen[]> {
  const text = await client.clusterNodes()
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', , flags = '', , , , epoch = '', , ...slots] = line.split(' ')
      const ranges = slots.filter((slot) => /^\d/.test(slot)).map((slot) => slot.split('-').map(Number))
      return { id, flags: flags.split(','), epoch, slots: ranges.map(([from = 0, to = from]) => [from, to] as const) }
    })
}

async function ownersSeenBy(node: ClusterNode): Promise<string> {
  const having = (await viewOf(node)).filter(({ slots }) => slots.length > 0)
  return JSON.stringify(having.map(({ id, epoch, slots }) => [id, epoch, slots]).sort())
}

/** Waits until something is true of all. */
async function all(nodes: readonly ClusterNode[], is: (node: ClusterNode) => Promise<boolean>): Promise<void> {
  const until = performance.now() + 30_000
  for (const node of nodes) {
    while (!(await is(node))) {
      if (performance.now() > until)
        assert.fail(`${node.server.url} does not agree:\n${await node.client.clusterNodes()}`)
      await pause(20)
    }
  }
}
