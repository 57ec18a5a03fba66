import { adviseIoredisCluster } from './advice.ts'
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
import { type IoredisClient, ioredisNode } from './ioredis.ts'
import { checkOptions, type IoredisOptions } from './ioredis-options.ts'
import { RoutedConnection, type Servers } from './routed.ts'
import { slotOf } from './slots.ts'

/** The part of an ioredis 5 or 6 `Cluster`, or of an iovalkey one, that coatcheck uses. */
export interface IoredisCluster {
  readonly isCluster: boolean
  readonly status: string
  readonly options: {
    readonly redisOptions?: IoredisOptions | undefined
    // biome-ignore lint/suspicious/noExplicitAny: a function, of which only that is asked
    readonly clusterRetryStrategy?: any
    // biome-ignore lint/suspicious/noExplicitAny: an object or, in later versions, a function
    readonly natMap?: any
  }
  /** By slot: `host:port` of the master, then of its replicas. */
  readonly slots: readonly (readonly string[])[]
  nodes(role: 'all' | 'master'): IoredisNode[]
  connect(): Promise<unknown>
  refreshSlotsCache(callback: (error?: Error | null) => void): void
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
}

interface IoredisNode extends IoredisClient {
  readonly options: IoredisOptions & { readonly host?: string | undefined; readonly port?: number | undefined }
}

/** Whether something is a cluster of ioredis or iovalkey. */
export function isIoredisCluster(client: object): client is IoredisCluster {
  const { isCluster, nodes, refreshSlotsCache } = client as Partial<IoredisCluster>
  return isCluster === true && typeof nodes === 'function' && typeof refreshSlotsCache === 'function'
}

/** @throws ConfigError when the options of its nodes are unsafe */
export function ioredisCluster(cluster: IoredisCluster): RedisConnection {
  checkOptions(cluster.options.redisOptions ?? {}, 'redisOptions') // guard: unsafe options of nodes
  adviseIoredisCluster(cluster.options) // guard: advice for an ioredis cluster
  hearErrors(cluster) // guard: connection errors of an ioredis cluster
  return new RoutedConnection(new IoredisServers(cluster))
}

/** What a node's client may be doing so that a command can wait for it: it ends by itself if it does not come to anything. */
const USABLE = new Set(['ready', 'wait', 'connecting', 'connect'])

class IoredisServers implements Servers {
  readonly #cluster: IoredisCluster
  /** By address, as far as they have been asked for. */
  readonly #known = new Map<string, IoredisNode>()

  constructor(cluster: IoredisCluster) {
    this.#cluster = cluster
  }

  get isClosed(): boolean {
    return this.#cluster.status === 'end'
  }

  of(key?: string): ServerConnection | null {
    // Made with `lazyConnect`, it connects when it is first needed.
    if (this.#cluster.status === 'wait') this.#cluster.connect().catch(ignored)
    if (key !== undefined) return this.#usable(this.#cluster.slots[slotOf(key)]?.[0])
    const masters = this.#cluster.nodes('master').filter(({ status }) => USABLE.has(status))
    const any = masters[Math.floor(Math.random() * masters.length)]
    return any === undefined ? null : ioredisNode(any)
  }

  at(address: string): ServerConnection | null {
    const { natMap } = this.#cluster.options
    const mapped = typeof natMap === 'function' ? natMap(address) : natMap?.[address]
    return this.#usable(mapped ? `${mapped.host}:${mapped.port}` : address)
  }

  masters(): Master[] {
    const addresses = new Set(this.#cluster.slots.flatMap(([master]) => master ?? []))
    return [...addresses].map((address) => ({ address, server: () => this.#usable(address) }))
  }

  trouble(): Error | null {
    return troubleOf(this.#cluster)
  }

  refresh(): Promise<void> {
    return new Promise((resolve) => this.#cluster.refreshSlotsCache(() => resolve()))
  }

  onReady(listener: (server: Server) => void): () => void {
    const listening = new Map<IoredisNode, () => void>()
    const come = (node: IoredisNode) => {
      if (!node.options.readOnly && !listening.has(node)) listening.set(node, ioredisNode(node).onReady(listener))
    }
    const go = (node: IoredisNode) => {
      listening.get(node)?.()
      listening.delete(node)
    }
    for (const node of this.#cluster.nodes('master')) come(node)
    this.#cluster.on('+node', come)
    this.#cluster.on('-node', go)
    return () => {
      this.#cluster.off('+node', come)
      this.#cluster.off('-node', go)
      for (const node of [...listening.keys()]) go(node)
    }
  }

  #usable(address: string | undefined): ServerConnection | null {
    if (address === undefined) return null
    let node = this.#known.get(address)
    if (node === undefined || !USABLE.has(node.status)) {
      this.#known.delete(address)
      node = this.#cluster.nodes('all').find(({ options: { host, port } }) => `${host}:${port}` === address)
      if (node === undefined || !USABLE.has(node.status)) return null
      this.#known.set(address, node)
    }
    return ioredisNode(node)
  }
}
