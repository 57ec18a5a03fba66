import { withDeadline } from '../../core/deadline.ts'
import { isReply, storeError } from '../errors.ts'
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

/** Milliseconds. */
const ASK_EVERY = 100
const ASK_TIMEOUT = 1000

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
  /** Destroyed by the Sentinel client as soon as it knows that another server is the master. */
  #master: NodeRedisClient | undefined
  /** Who was asked last whether it is one. */
  #asked: { readonly server: ServerConnection; readonly epoch: number; readonly at: number } | undefined
  #isMaster = false

  constructor(sentinel: NodeRedisSentinel) {
    this.#sentinel = sentinel
  }

  get isClosed(): boolean {
    return !this.#sentinel.isOpen
  }

  of(): ServerConnection | null {
    if (!this.#master?.isReady) return null
    const server = nodeRedis(this.#master)
    if (this.#asked?.server !== server || this.#asked.epoch !== server.epoch) void this.#ask(server)
    // The Sentinels may have made it one since.
    else if (!this.#isMaster && performance.now() - this.#asked.at > ASK_EVERY) void this.#ask(server)
    return this.#isMaster ? server : null // guard: a master
  }

  /** No server of these sends anybody elsewhere. */
  at(): null {
    return null
  }

  /**
   * A server that was killed may be back at its old address, as a replica that has nothing yet, before the client knows that another
   * one has taken its place. It would say of every session that there is none.
   */
  async #ask(server: ServerConnection): Promise<void> {
    const asked = { server, epoch: server.epoch, at: performance.now() }
    // Of the same connection, what it was holds until it says otherwise.
    if (this.#asked?.server !== server || this.#asked.epoch !== asked.epoch) this.#isMaster = false
    this.#asked = asked
    const isMaster = await withDeadline(ASK_TIMEOUT, 'role', (call) => server.send(['INFO', 'replication'], call)).then(
      (info) => /^role:master/m.test(String(info)),
      // Without the right to ask, it is what the client takes it for.
      (error: unknown) => isReply(storeError(error), 'NOPERM'),
    )
    if (this.#asked === asked) this.#isMaster = isMaster
  }

  masters(): Master[] {
    const server = this.of()
    return server === null ? [] : [{ server: () => server }]
  }

  trouble(): Error | null {
    return troubleOf(this.#sentinel)
  }

  async refresh(): Promise<void> {
    this.#master = await this.#sentinel._execute(false, async (master: NodeRedisClient) => master)
    if (this.#master?.isReady) await this.#ask(nodeRedis(this.#master))
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
