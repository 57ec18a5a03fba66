import { ConfigError } from '../../core/errors.ts'
import type { StoreCall, Subscription } from '../../core/store.ts'
import { warnOnce } from '../../core/warn.ts'
import { listenOn } from './subscriber.ts'

/** What the store asks of a Redis connection, whichever client is behind it. */
export interface RedisConnection {
  /**
   * Sends one command and gives its reply: strings, integers, `null` and arrays of these; a map as a flat array. Rejects with
   * the client's own error.
   */
  send(words: readonly string[], call: StoreCall): Promise<unknown>
  /** Calls `listener` now if connected, and each time that the connection is ready again. Returns a function that stops it. */
  onReady(listener: () => void): () => void
  /** Listens to a channel over a connection of its own. Calls `missed` each time that this connection is ready again. */
  subscribe(channel: string, listener: (message: string) => void, missed: () => void): Subscription
}

/** The part of a node-redis 5 or 6 client that coatcheck uses. */
export interface NodeRedisClient {
  readonly isReady: boolean
  sendCommand(words: readonly string[], options?: NodeRedisCommandOptions): Promise<unknown>
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
  /** For listening to a channel: called when something asks for the events of other processes, and never before. */
  duplicate(): NodeRedisSubscriber
}

/** The part of a duplicated client that coatcheck uses. */
export interface NodeRedisSubscriber {
  readonly isOpen: boolean
  on(event: string, listener: Listener): unknown
  once(event: string, listener: Listener): unknown
  connect(): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  destroy(): void
}

// biome-ignore lint/suspicious/noExplicitAny: as Node's own EventEmitter types its listeners
type Listener = (...args: any[]) => void

interface NodeRedisCommandOptions {
  // biome-ignore lint/suspicious/noExplicitAny: the client's own type is a mapping that is generic over its reply types
  typeMapping?: any
  timeout?: number
  abortSignal?: AbortSignal
}

/**
 * A map reply (RESP3 type `%`) comes as a flat array: node-redis's own objects drop a field called `__proto__`. The client's
 * own timeout is off, since every call has a deadline here: it would cost an AbortSignal a command, each kept for 5 seconds.
 */
const COMMAND_OPTIONS = { typeMapping: { 37: Array }, timeout: 0 }

/** @throws ConfigError for what is no single node-redis client */
export function nodeRedis(client: NodeRedisClient): RedisConnection {
  const isClient = typeof client?.sendCommand === 'function' && typeof client.isReady === 'boolean'
  // A cluster's sendCommand and a sentinel's look alike, but take other arguments before the words.
  if (!isClient || client.sendCommand.length > 2) {
    throw new ConfigError(
      'redisStore takes a node-redis client (version 5 or 6), as in redisStore(await createClient().connect()). ' +
        'A cluster, a sentinel or another library is not supported yet.',
    )
  }
  hearErrors(client) // guard: connection errors
  return {
    send(words, call) {
      // Only while the connection is away does a command wait in the client's queue, where it can be withdrawn.
      return client.isReady
        ? client.sendCommand(words, COMMAND_OPTIONS)
        : client.sendCommand(words, { ...COMMAND_OPTIONS, abortSignal: call.signal })
    },
    onReady(listener) {
      client.on('ready', listener)
      if (client.isReady) listener()
      return () => void client.off('ready', listener)
    },
    subscribe(channel, listener, missed) {
      return listenOn(client.duplicate(), channel, listener, missed)
    },
  }
}

/** Clients whose errors are listened to already: stores may come and go on one client. */
const heard = new WeakSet<NodeRedisClient>()

/**
 * An error event that nobody hears would end the process, although the client reconnects by itself. The listener stays when the
 * store is closed: the client goes on, and its application may have none of its own.
 */
function hearErrors(client: NodeRedisClient): void {
  if (heard.has(client)) return
  heard.add(client)
  client.on('error', (error: Error & { code?: string }) => {
    if (client.listenerCount('error') > 1) return
    warnOnce(
      'COATCHECK_REDIS_CONNECTION',
      `The Redis connection failed (${error?.code ?? error?.name}); the client keeps reconnecting. Said once: ` +
        "listen with client.on('error') to see every failure.",
    )
  })
}
