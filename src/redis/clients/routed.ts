import { setTimeout as pause } from 'node:timers/promises'
import type { StoreCall, Subscription } from '../../core/store.ts'
import { AwayError, isReply, NotSentError, ReplyError, storeError } from '../errors.ts'
import { ignored, type Master, type RedisConnection, type Server, type ServerConnection } from './connection.ts'
import { follow } from './follow.ts'
import { keyIn } from './slots.ts'

/** Milliseconds between two times that a client finds out which server holds what. */
const REFRESH_EVERY = 100

const AWAY = 'The server of Redis that holds the session cannot be reached'

/** What a client of several servers knows of them: each is reached by a connection of its own. */
export interface Servers {
  /** Whether the client has been closed, so that nothing can be sent any more. */
  readonly isClosed: boolean
  /** The master that holds a key (none given: any), as far as is known, if a command can be sent there now. */
  of(key?: string): ServerConnection | null
  /** The server with an address that a redirection names, likewise. */
  at(address: string): ServerConnection | null
  /** All masters, as far as they are known. */
  masters(): readonly Master[]
  /** What the client last reported, unless it has been connected since. */
  trouble(): Error | null
  /** Finds out anew which server holds what. */
  refresh(): Promise<unknown>
  /** Calls `listener` for each master that is ready, and each time that one is again. Returns a function that stops it. */
  onReady(listener: (server: Server) => void): () => void
}

/**
 * Sends each command to the master that holds its key, and nowhere else: the clients' own routing sends again what may have been
 * carried out, reads from replicas if it is told to, and keeps what is past its deadline.
 *
 * Makes one attempt. Where there is no way to the master it says so at once, and the runner comes back in a moment.
 */
export class RoutedConnection implements RedisConnection {
  readonly #servers: Servers
  #refreshing: Promise<unknown> | undefined
  /** When it was last done. */
  #refreshed = Number.NEGATIVE_INFINITY

  constructor(servers: Servers) {
    this.#servers = servers
  }

  async send(words: readonly string[], call: StoreCall, sentTo?: (server: Server) => void): Promise<unknown> {
    if (this.#servers.isClosed) throw new NotSentError('The client is closed')
    const server = this.serverOf(keyIn(words))
    if (server === null) throw new AwayError(AWAY)
    try {
      return await server.send(words, call, sentTo)
    } catch (error) {
      const refusal = storeError(error)
      if (isReply(refusal, 'MOVED')) {
        await withdrawable(this.#refresh(), call.signal) // guard: moved
        throw new AwayError('Redis Cluster is moving the session to another server')
      }
      // It has become a replica, and what it says of sessions is behind.
      if (isReply(refusal, 'READONLY')) void this.#refresh() // guard: not a master any more
      if (isReply(refusal, 'ASK')) return this.#ask(addressIn(error as Error), words, call, sentTo) // guard: ask
      // The way to it was lost before the command went, or it was withdrawn at its deadline.
      if (refusal.outcome === 'none' && !(refusal instanceof ReplyError)) throw new AwayError(AWAY) // guard: way lost
      throw error
    }
  }

  serverOf(key?: string): ServerConnection | null {
    const server = this.#servers.of(key)
    if (server === null && !this.#servers.isClosed) void this.#refresh() // guard: away
    return server
  }

  masters(): readonly Master[] {
    const masters = this.#servers.masters()
    if (masters.length === 0 && !this.#servers.isClosed) void this.#refresh()
    return masters
  }

  trouble(): Error | null {
    return this.#servers.trouble()
  }

  onReady(listener: (server: Server) => void): () => void {
    return this.#servers.onReady(listener)
  }

  subscribe(channel: string, listener: (message: string) => void, missed: () => void): Subscription {
    return follow(this.#servers, (server, lost) => server.subscribe(channel, listener, ignored, lost), missed)
  }

  /** The slot is on its way to another server, which has the key already, and answers only if it is asked to. */
  async #ask(
    address: string,
    words: readonly string[],
    call: StoreCall,
    sentTo?: (server: Server) => void,
  ): Promise<unknown> {
    const server = this.#servers.at(address)
    if (server === null) {
      void this.#refresh()
      throw new AwayError('Redis Cluster is moving the session to a server that is not known yet')
    }
    // Handed over in the same turn, so that nothing comes between the two.
    const [, answer] = await Promise.allSettled([server.send(['ASKING'], call), server.send(words, call, sentTo)])
    if (answer.status === 'fulfilled') return answer.value
    // The connection was lost between the two, or the slot has gone on, or goes on already.
    const refusal = storeError(answer.reason)
    if (isReply(refusal, 'MOVED')) throw new AwayError('Redis Cluster is moving the session') // guard: moved on
    if (isReply(refusal, 'ASK')) throw new AwayError('Redis Cluster is moving the session') // guard: asked on
    throw answer.reason
  }

  /** Once for all who want it, and not again and again while a server is away. */
  #refresh(): Promise<unknown> {
    this.#refreshing ??= pause(Math.max(0, this.#refreshed + REFRESH_EVERY - performance.now()))
      .then(() => this.#servers.refresh())
      .catch(ignored)
      .finally(() => {
        this.#refreshed = performance.now()
        this.#refreshing = undefined
      })
    return this.#refreshing
  }
}

/** `MOVED 3999 127.0.0.1:6381` */
function addressIn({ message }: Error): string {
  return message.slice(message.lastIndexOf(' ') + 1)
}

/** Waits for something, but no longer than until the call is withdrawn. */
async function withdrawable(something: Promise<unknown>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    void something.then(() => resolve())
  })
}
