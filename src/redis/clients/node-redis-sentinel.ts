import {
  hearErrors,
  ignored,
  type Listener,
  type RedisConnection,
  type Server,
  type ServerConnection,
} from './connection.ts'
import { type NodeRedisClient, nodeRedis } from './node-redis.ts'
import { RoutedConnection, type Servers } from './routed.ts'

/** The part of a node-redis 5 or 6 Sentinel client that coatcheck uses. */
export interface NodeRedisSentinel {
  readonly isOpen: boolean
  /** Only tells an instance of it from other clients. */
  getSentinelNode(): unknown
  // biome-ignore lint/suspicious/noExplicitAny: the client's own type is generic over all that its clients can be made with
  _execute(isReadonly: boolean, run: (master: any) => Promise<any>): Promise<any>
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
}

/** Whether something is a Sentinel client of node-redis. */
export function isNodeRedisSentinel(client: object): client is NodeRedisSentinel {
  const { getSentinelNode, _execute } = client as Partial<NodeRedisSentinel>
  return typeof getSentinelNode === 'function' && typeof _execute === 'function'
}

export function nodeRedisSentinel(sentinel: NodeRedisSentinel): RedisConnection {
  hearErrors(sentinel) // guard: connection errors of a node-redis sentinel
  return new RoutedConnection(new SentinelServers(sentinel))
}

/**
 * The master that the Sentinels name. Commands go to the client that the Sentinel client has of it, for the latter sends again
 * whatever the loss of a connection has left without an answer, and lets commands at once wait for each other.
 */
class SentinelServers implements Servers {
  readonly #sentinel: NodeRedisSentinel
  /** Destroyed by the Sentinel client as soon as another server is the master. */
  #master: NodeRedisClient | undefined

  constructor(sentinel: NodeRedisSentinel) {
    this.#sentinel = sentinel
  }

  get isClosed(): boolean {
    return !this.#sentinel.isOpen
  }

  of(): ServerConnection | null {
    return this.#master?.isReady ? nodeRedis(this.#master) : null
  }

  /** No server of these sends anybody elsewhere. */
  at(): null {
    return null
  }

  async refresh(): Promise<void> {
    this.#master = await this.#sentinel._execute(false, async (master: NodeRedisClient) => master)
  }

  onReady(listener: (server: Server) => void): () => void {
    let stopped = false
    let leave: () => void = ignored
    const come = async () => {
      await this.refresh()
      leave()
      if (!stopped && this.#master !== undefined) leave = nodeRedis(this.#master).onReady(listener)
    }
    const hear = ({ type }: { type: string }) => {
      if (type === 'MASTER_CHANGE') come().catch(ignored)
    }
    this.#sentinel.on('topology-change', hear)
    if (this.#sentinel.isOpen) come().catch(ignored)
    return () => {
      stopped = true
      this.#sentinel.off('topology-change', hear)
      leave()
    }
  }
}
