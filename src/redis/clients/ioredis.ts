import type { StoreCall, Subscription } from '../../core/store.ts'
import { NotSentError, ReplyError, storeError } from '../errors.ts'
import { adviseIoredis, type IoredisRetries } from './advice.ts'
import {
  type Beside,
  hearErrors,
  ignored,
  type Listener,
  type Master,
  type Server,
  type ServerConnection,
  troubleOf,
} from './connection.ts'
import { onEnd } from './ioredis-end.ts'
import { checkOptions, type IoredisOptions } from './ioredis-options.ts'

/** The part of an ioredis 5 or 6 client, or of an iovalkey client, that coatcheck uses. */
export interface IoredisClient {
  readonly status: string
  readonly options: IoredisOptions & IoredisRetries
  /** Absent before the first attempt to connect. */
  readonly stream: { readonly writable: boolean }
  call(name: string, args: string[]): Promise<unknown>
  connect(): Promise<unknown>
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
  listenerCount(event: string): number
  /**
   * For listening to a channel: called when something asks for the events of other processes, and never before. And for waiting
   * for replicas.
   */
  duplicate(options: DuplicateOptions): IoredisSubscriber
}

interface DuplicateOptions {
  autoResubscribe: boolean
  lazyConnect: boolean
  retryStrategy?: () => null
  sentinelRetryStrategy?: () => null
  failoverDetector?: boolean
}

/** The part of a duplicated client that coatcheck uses, less what all clients have: a type that held itself would take compilers long. */
interface IoredisSubscriber {
  on(event: string, listener: Listener): unknown
  subscribe(channel: string): Promise<unknown>
  disconnect(): void
}

type IoredisDuplicate = IoredisSubscriber & IoredisClient

/** Whether something is an ioredis or iovalkey client of a single server. One that asks Sentinels for it is one. */
export function isIoredis(client: object): client is IoredisClient {
  const { status, call, options, isCluster } = client as Partial<IoredisClient> & { isCluster?: boolean }
  const isClient = typeof status === 'string' && typeof call === 'function' && typeof options === 'object'
  return isClient && isCluster !== true
}

/** One for each client: stores may come and go on it. */
const connections = new WeakMap<IoredisClient, ServerConnection>()

/** @throws ConfigError when the client's options are unsafe */
export function ioredis(client: IoredisClient): ServerConnection {
  if (!connections.has(client)) {
    checkOptions(client.options) // guard: unsafe options
    adviseIoredis(client.options) // guard: advice for ioredis
    hearErrors(client) // guard: connection errors of ioredis
  }
  return ioredisNode(client)
}

/** Likewise, for a client whose options are known to be safe and whose errors the cluster that it belongs to hears. */
export function ioredisNode(client: IoredisClient): ServerConnection {
  let connection = connections.get(client)
  if (connection === undefined) {
    connection = new IoredisConnection(client)
    connections.set(client, connection)
  }
  return connection
}

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

class IoredisConnection implements ServerConnection {
  readonly isOneServer = true
  readonly #client: IoredisClient
  /** Calls that wait for the connection. */
  readonly #waiting = new Set<Waiting>()
  #server: Server = this
  #epoch = 0
  /** Commands without an answer. */
  readonly #sent = new Set<(error: Error) => void>()

  constructor(client: IoredisClient) {
    this.#client = client
    client.on('ready', () => {
      this.#epoch++
      // Sentinels may have named another server, which has a clock of its own.
      if (client.options.sentinels != null) this.#server = this.#another() // guard: another server
      this.#settle(({ resolve }) => resolve())
    })
    const trouble = () => troubleOf(client)
    onEnd(client, trouble, () => this.#settle(({ reject }) => reject(new NotSentError('The client is closed'))))
    // Nothing else would tell: a command that is not resent is forgotten by the client, and never settled.
    client.on('close', () => {
      for (const reject of this.#sent) reject(new Error('The connection was lost')) // guard: lost on the way
      this.#sent.clear()
    })
  }

  /**
   * What cannot be sent now waits here, not in the client's queue: from there nothing can be withdrawn, and it would be carried
   * out whenever the connection comes back, long after its deadline.
   */
  async send(
    [name = '', ...args]: readonly string[],
    call: StoreCall,
    sentTo?: (server: Server) => void,
  ): Promise<unknown> {
    while (!this.#canSend()) await this.#ready(call.signal) // guard: not queued
    sentTo?.(this.#server)
    return new Promise((resolve, reject) => {
      const settle = <T>(how: (value: T) => void) => {
        return (value: T) => {
          this.#sent.delete(reject)
          how(value)
        }
      }
      this.#sent.add(reject)
      // A name in capitals: then the reply comes as Redis gave it, a map as a flat array.
      this.#client.call(name, args).then(settle(resolve), settle(reject))
    })
  }

  get epoch(): number {
    return this.#epoch
  }

  beside(): Beside {
    // It does not come back when it is lost, and may not go elsewhere meanwhile.
    const never = { retryStrategy: () => null, sentinelRetryStrategy: () => null, failoverDetector: false }
    const own = this.#client.duplicate({ autoResubscribe: false, lazyConnect: true, ...never }) as IoredisDuplicate
    own.on('error', ignored)
    const connection = new IoredisConnection(own)
    return {
      ready: own.connect(),
      get isLost() {
        return own.status === 'end' || own.status === 'close'
      },
      send: (words, call) => connection.send(words, call),
      end: () => own.disconnect(),
    }
  }

  #another(): Server {
    const connection = this
    return {
      send: (words, call) => connection.send(words, call),
      beside: () => connection.beside(),
      get epoch() {
        return connection.epoch
      },
    }
  }

  serverOf(): Server {
    return this.#server
  }

  masters(): Master[] {
    return [{ server: () => this.#server }]
  }

  trouble(): Error | null {
    return troubleOf(this.#client)
  }

  onReady(listener: (server: Server) => void): () => void {
    const tell = () => listener(this.#server)
    this.#client.on('ready', tell)
    if (this.#canSend()) tell()
    return () => void this.#client.off('ready', tell)
  }

  subscribe(
    channel: string,
    listener: (message: string) => void,
    missed: () => void,
    lost: () => void = ignored,
  ): Subscription {
    // It subscribes again here and not by itself, since it does not tell when it has done so.
    const subscriber = this.#client.duplicate({ autoResubscribe: false, lazyConnect: false }) as IoredisDuplicate
    // Its errors are those of the client, which somebody listens to.
    let trouble: Error | null = null
    subscriber.on('error', (error: Error) => {
      trouble = error
    })
    subscriber.on('close', lost)
    subscriber.on('message', (_channel: string, message: string) => listener(message))
    let stop: (error: Error) => void = ignored
    const end = (reason: Error = new NotSentError('Nobody listens any more')) => {
      subscriber.disconnect()
      stop(storeError(reason))
    }
    const ready = new Promise<void>((resolve, reject) => {
      stop = reject
      let told = () => {
        told = missed
        resolve()
      }
      // A connection that is lost at once comes back, and says that it is ready again.
      const failed = (error: Error) => {
        if (storeError(error) instanceof ReplyError) end(error)
      }
      subscriber.on('ready', () => void subscriber.subscribe(channel).then(() => told(), failed))
      onEnd(
        subscriber,
        () => trouble,
        () => end(new NotSentError('The client is closed')),
      )
    })
    return { ready, end }
  }

  /** Whether the client writes a command to the connection at once. It may be `ready` for a moment after the connection broke. */
  #canSend(): boolean {
    if (this.#client.status !== 'ready') return false
    if (!this.#client.stream.writable) return false // guard: writable
    return true
  }

  /** Resolves when the client is ready. Rejects when it will not be, and when the call is withdrawn. */
  #ready(signal: AbortSignal): Promise<void> {
    const { status } = this.#client
    if (status === 'end') throw new NotSentError('The client is closed')
    if (signal.aborted) throw new NotSentError('The call was withdrawn')
    // Made with `lazyConnect`, it connects when it is first needed.
    if (status === 'wait') this.#client.connect().catch(ignored)
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject }
      this.#waiting.add(waiting)
      const withdraw = () => {
        this.#waiting.delete(waiting)
        reject(new NotSentError('The call was withdrawn'))
      }
      signal.addEventListener('abort', withdraw, { once: true }) // guard: withdrawn from the wait
    })
  }

  #settle(how: (waiting: Waiting) => void): void {
    for (const waiting of this.#waiting) how(waiting)
    this.#waiting.clear()
  }
}
