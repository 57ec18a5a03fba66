import type { StoreCall, Subscription } from '../../core/store.ts'
import { warnOnce } from '../../core/warn.ts'
import { errorName } from '../errors.ts'

/** What takes commands. */
export interface Sender {
  /**
   * Sends one command and gives its reply: strings, integers, `null` and arrays of these; a map as a `Map` or as a flat array. Rejects with
   * the client's own error, or a `NotSentError`.
   */
  send(words: readonly string[], call: StoreCall): Promise<unknown>
}

/** One server, with one clock. */
export interface Server extends Sender {
  /** Another number each time that the connection is made anew: who answers may be another process then. */
  readonly epoch: number
  /** Opens another connection to it, for what would hold this one up. */
  beside(): Beside
}

/** A connection that is used for one thing only. Once it is lost, it stays so. */
export interface Beside extends Sender {
  /** Resolves when it takes commands; rejects when it never will. */
  readonly ready: Promise<unknown>
  readonly isLost: boolean
  end(): void
}

/** A server that holds sessions, to be asked about itself. */
export interface Master {
  /** `host:port`; none for a server that is the only one. */
  readonly address?: string
  /** Where to ask it, or `null` if that is not known yet. */
  server(): Server | null
}

/** What the store asks of a Redis connection, whichever client is behind it. */
export interface RedisConnection extends Sender {
  /** @param sentTo told which server it goes to, as it is sent; more than once where a server says that another one has the key */
  send(words: readonly string[], call: StoreCall, sentTo?: (server: Server) => void): Promise<unknown>
  /** Whether there is but one server, which holds every key. Default `false`. */
  readonly isOneServer?: boolean
  /** The server that holds a key (none given: any), as far as the client knows. */
  serverOf(key?: string): Server | null
  /** All servers that hold sessions; none as long as the client does not know any. */
  masters(): readonly Master[]
  /** What the client last reported, unless it has been connected since. */
  trouble(): Error | null
  /** Calls `listener` for each server that is connected, and each time that one is again. Returns a function that stops it. */
  onReady(listener: (server: Server) => void): () => void
  /**
   * Listens to a channel over a connection of its own. Calls `missed` each time that it listens again after that was lost.
   * @param lost told when the connection is lost
   */
  subscribe(channel: string, listener: (message: string) => void, missed: () => void, lost?: () => void): Subscription
}

/** A connection to one server. */
export interface ServerConnection extends RedisConnection, Server {
  send(words: readonly string[], call: StoreCall, sentTo?: (server: Server) => void): Promise<unknown>
}

// biome-ignore lint/suspicious/noExplicitAny: as Node's own EventEmitter types its listeners
export type Listener = (...args: any[]) => void

interface Client {
  on(event: string, listener: Listener): unknown
  listenerCount(event: string): number
}

/** Clients whose errors are listened to already, and what they last reported: stores may come and go on one client. */
const heard = new WeakMap<Client, { trouble: Error | null }>()

/**
 * An error event that nobody hears would end the process (ioredis prints each instead), although the client reconnects by
 * itself. The listener stays when the store is closed: the client goes on, and its application may have none of its own.
 */
export function hearErrors(client: Client): void {
  if (heard.has(client)) return
  const state: { trouble: Error | null } = { trouble: null }
  heard.set(client, state)
  client.on('ready', () => {
    state.trouble = null
  })
  client.on('error', (error: Error) => {
    state.trouble = error
    if (client.listenerCount('error') > 1) return
    warnOnce(
      'COATCHECK_REDIS_CONNECTION',
      `The Redis connection failed (${errorName(error)}); the client keeps reconnecting. Said once: ` +
        "listen with client.on('error') to see every failure.",
    )
  })
}

/** What a client last reported, unless it has been connected since. */
export function troubleOf(client: Client): Error | null {
  return heard.get(client)?.trouble ?? null
}

export function ignored(): void {}
