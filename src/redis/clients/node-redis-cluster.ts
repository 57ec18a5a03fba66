import { adviseNodeRedis } from './advice.ts'
import {
  hearErrors,
  ignored,
  type Listener,
  type Master,
  type RedisConnection,
  type Server,
  type ServerConnection,
  troubleOf,
} from './connection.ts'
import { type NodeRedisClient, nodeRedis } from './node-redis.ts'
import { RoutedConnection, type Servers } from './routed.ts'
import { slotOf } from './slots.ts'

/** The part of a node-redis 5 or 6 cluster that coatcheck uses. */
export interface NodeRedisCluster {
  readonly isOpen: boolean
  readonly masters: readonly NodeRedisNode[]
  /** Absent where no server has the slot. */
  readonly slots: readonly { readonly master: NodeRedisNode }[]
  readonly nodeByAddress: ReadonlyMap<string, NodeRedisNode>
  // biome-ignore lint/suspicious/noExplicitAny: the client's own type is generic over all that a node can be made with
  nodeClient(node: any): Promise<unknown>
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
  // biome-ignore lint/suspicious/noExplicitAny: as nodeClient
  readonly _options?: any
  readonly _slots: {
    // biome-ignore lint/suspicious/noExplicitAny: as nodeClient
    rediscover(startWith: any): Promise<void>
  }
}

interface NodeRedisNode {
  readonly address: string
  readonly client?: (NodeRedisClient & { readonly isOpen: boolean; destroy(): unknown }) | undefined
}

/** As events name a node. */
interface Address {
  readonly host: string
  readonly port: number
}

/** Whether something is a cluster of node-redis. */
export function isNodeRedisCluster(client: object): client is NodeRedisCluster {
  const { masters, slots, nodeClient } = client as Partial<NodeRedisCluster>
  return Array.isArray(masters) && Array.isArray(slots) && typeof nodeClient === 'function'
}

export function nodeRedisCluster(cluster: NodeRedisCluster): RedisConnection {
  adviseNodeRedis(cluster._options?.defaults, 'defaults.') // guard: advice for a node-redis cluster
  hearErrors(cluster) // guard: connection errors of a node-redis cluster
  endLate(cluster) // guard: nodes found by a closed cluster
  return new RoutedConnection(new NodeRedisServers(cluster))
}

const ended = new WeakSet<NodeRedisCluster>()

/**
 * A cluster that is closed just while it finds out which server holds what goes on to connect to those it finds, for ever where
 * one is away, and the process does not exit. It has forgotten what it had to close by then, so that is done here.
 */
function endLate(cluster: NodeRedisCluster): void {
  if (ended.has(cluster)) return
  ended.add(cluster)
  // Not before: a node that is destroyed while it connects does so all the same.
  const end = (address: Address) => {
    if (cluster.isOpen) return
    for (const node of cluster.nodeByAddress.values())
      if (isAt(address, node) && node.client?.isOpen) node.client.destroy()
  }
  for (const event of ['node-ready', 'node-reconnecting']) cluster.on(event, end)
}

class NodeRedisServers implements Servers {
  readonly #cluster: NodeRedisCluster

  constructor(cluster: NodeRedisCluster) {
    this.#cluster = cluster
  }

  get isClosed(): boolean {
    return !this.#cluster.isOpen
  }

  of(key?: string): ServerConnection | null {
    if (key !== undefined) return this.#usable(this.#cluster.slots[slotOf(key)]?.master)
    const any = oneOf(this.#ready()) ?? oneOf(this.#cluster.masters)
    return this.#usable(any)
  }

  at(address: string): ServerConnection | null {
    return this.#usable(this.#cluster.nodeByAddress.get(address))
  }

  masters(): Master[] {
    return this.#cluster.masters.map((node) => ({ address: node.address, server: () => this.#usable(node) }))
  }

  trouble(): Error | null {
    return troubleOf(this.#cluster)
  }

  async refresh(): Promise<void> {
    const any = oneOf(this.#ready()) ?? oneOf(this.#cluster.masters)
    // Asks that server which one holds what, then all that have been known at first. Version 5 has to be given one.
    await this.#cluster._slots.rediscover(any?.client ?? { options: this.#cluster._options?.rootNodes?.[0] })
  }

  onReady(listener: (server: Server) => void): () => void {
    const tell = (address: Address) => {
      for (const node of this.#ready()) if (node.client && isAt(address, node)) listener(nodeRedis(node.client))
    }
    this.#cluster.on('node-ready', tell)
    for (const { client } of this.#ready()) if (client) listener(nodeRedis(client))
    return () => void this.#cluster.off('node-ready', tell)
  }

  #ready(): NodeRedisNode[] {
    return this.#cluster.masters.filter(({ client }) => client?.isReady)
  }

  /** Never while its connection is away: what waits in a node's queue would not follow when another one takes its place. */
  #usable(node: NodeRedisNode | undefined): ServerConnection | null {
    if (node?.client?.isReady) return nodeRedis(node.client)
    // With `minimizeConnections`, it connects when it is first needed.
    if (node !== undefined && node.client === undefined) this.#cluster.nodeClient(node).catch(ignored)
    return null
  }
}

function isAt({ host, port }: Address, { client }: NodeRedisNode): boolean {
  const socket = client?.options?.socket
  return socket?.host === host && socket.port === port
}

function oneOf<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}
