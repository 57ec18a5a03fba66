import { type Beside, hearErrors, ignored, type Listener, type ServerConnection, troubleOf } from './connection.ts'
import { listenOn } from './subscriber.ts'

/** The part of a node-redis 5 or 6 client that coatcheck uses. */
export interface NodeRedisClient {
  readonly isReady: boolean
  // biome-ignore lint/suspicious/noExplicitAny: the client's own type is generic over all that it can be made with
  readonly options?: any
  sendCommand(words: readonly string[], options?: NodeRedisCommandOptions): Promise<unknown>
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
  /**
   * For listening to a channel: called when something asks for the events of other processes, and never before. And for waiting
   * for replicas.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as options
  duplicate(overrides?: any): NodeRedisSubscriber
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

interface NodeRedisCommandOptions {
  // biome-ignore lint/suspicious/noExplicitAny: the client's own type is a mapping that is generic over its reply types
  typeMapping?: any
  timeout?: number
  abortSignal?: AbortSignal
}

/**
 * A map reply (RESP3 type `%`) comes as a `Map`: node-redis's own objects drop a field called `__proto__`. The client's
 * own timeout is off, since every call has a deadline here: it would cost an AbortSignal a command, each kept for 5 seconds.
 */
const COMMAND_OPTIONS = { typeMapping: { 37: Map }, timeout: 0 }
/** A hash comes as bytes, in an array (map `%`, bulk string `$`): see {@link readHash}. */
const HASH_OPTIONS = { typeMapping: { 36: Buffer, 37: Array }, timeout: 0 }

/** Whether something is a node-redis client of a single server. */
export function isNodeRedis(client: object): client is NodeRedisClient {
  const { sendCommand, isReady } = client as Partial<NodeRedisClient>
  // A cluster's sendCommand and a sentinel's look alike, but take other arguments before the words.
  return typeof sendCommand === 'function' && typeof isReady === 'boolean' && sendCommand.length <= 2
}

/** One for each client: it is one server, with one clock. */
const connections = new WeakMap<NodeRedisClient, ServerConnection>()

export function nodeRedis(client: NodeRedisClient): ServerConnection {
  const known = connections.get(client)
  if (known !== undefined) return known
  hearErrors(client) // guard: connection errors
  let epoch = 0
  client.on('ready', () => epoch++)
  const connection: ServerConnection = {
    get epoch() {
      return epoch
    },
    beside: () => beside(client),
    send(words, call, sentTo) {
      sentTo?.(connection)
      // Only while the connection is away does a command wait in the client's queue, where it can be withdrawn.
      const options = words[0] === 'HGETALL' ? HASH_OPTIONS : COMMAND_OPTIONS
      return client.isReady
        ? client.sendCommand(words, options)
        : client.sendCommand(words, { ...options, abortSignal: call.signal })
    },
    isOneServer: true,
    serverOf: () => connection,
    masters: () => [{ server: () => connection }],
    trouble: () => troubleOf(client),
    onReady(listener) {
      const tell = () => listener(connection)
      client.on('ready', tell)
      if (client.isReady) tell()
      return () => void client.off('ready', tell)
    },
    subscribe(channel, listener, missed, lost) {
      return listenOn(client.duplicate(), channel, listener, missed, lost)
    },
  }
  connections.set(client, connection)
  return connection
}

function beside(client: NodeRedisClient): Beside {
  const socket = { ...client.options?.socket, reconnectStrategy: false }
  // What it is is not said in its type: compilers take long to compare a type with clients that holds itself.
  const own = client.duplicate({ socket }) as NodeRedisSubscriber & NodeRedisClient
  // Whoever waits for it hears of the loss.
  own.on('error', ignored)
  const ready = own.connect()
  let ended = false
  const destroy = () => {
    if (own.isOpen) own.destroy()
  }
  return {
    ready,
    get isLost() {
      return ended || !own.isOpen
    },
    send: (words) => own.sendCommand(words, COMMAND_OPTIONS),
    end() {
      ended = true
      // node-redis 5 leaves a socket open that is destroyed as it connects: the attempt has to end first.
      ready.then(destroy, ignored)
    },
  }
}
