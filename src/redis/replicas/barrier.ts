import { setTimeout as pause } from 'node:timers/promises'
import type { StoreCall } from '../../core/store.ts'
import type { Beside, Sender, Server } from '../clients/connection.ts'
import { isReply, ReplyError, storeError } from '../errors.ts'

/**
 * What is waited for with `WAIT` are the writes of the connection that sends it, up to its last one: so there has to be one, and
 * since it comes after what was done at the same master, who has it has that too. (Redis 7.0 would do without.) It also says that this still is
 * a master. Deleting first: out of memory, Redis refuses a script that begins with SET.
 */
const WRITE = "redis.call('DEL', KEYS[1]) return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"
/** Milliseconds. */
const KEY_LIVES = 60_000
/** Milliseconds that `WAIT` may be late before its connection is given up. */
const LATE = 200
/** Milliseconds until a connection that was lost is made anew. */
const RETRY = 20
const REPLACED = 'another server has taken the place of the one that did it'
const LOST = 'the connection on which it was done has been lost since'
const SILENT = 'the connection to wait for replicas has gone silent'

/** Why nobody can say that replicas have it; for people. */
export class NotAcknowledged extends Error {}

/** Somebody who waits. */
interface Waiting {
  /** In a slot of this master. */
  readonly key: string
  /** The process that has done what replicas are to have. */
  readonly doneBy: string
  /** By `performance.now()`. */
  readonly until: number
  readonly call: StoreCall
  resolve(): void
  reject(error: unknown): void
}

/** The connection of its own. */
interface Own {
  readonly connection: Beside
  readonly process: string
  readonly isCluster: boolean
}

/**
 * Waits until replicas of one master have all that was done there so far: one `WAIT` for everybody who has come before it was
 * sent. It blocks the connection that sends it, so it has one of its own.
 *
 * What a process has written, only the same process can say to be at its replicas: after a failover, or a restart, another one
 * may answer at the same address. So both connections are asked for its `run_id`, each once for as long as it lasts.
 */
export class Barrier {
  readonly #server: Server
  readonly #replicas: number
  readonly #onCommand: ((words: readonly string[]) => void) | undefined
  /** Of the connection that others use: which process is at the other end. */
  #process: { epoch: number; id: Promise<string> } | undefined
  #next: Waiting[] = []
  #running = false
  #opened: Beside | undefined
  #own: Own | undefined
  /** The key that was written last. */
  #key: string | undefined
  #closed = false
  /** How many wait, for whatever. */
  #waiting = 0

  constructor(server: Server, replicas: number, onCommand?: (words: readonly string[]) => void) {
    this.#server = server
    this.#replicas = replicas
    this.#onCommand = onCommand
  }

  /** Nothing is lost with it. */
  get isIdle(): boolean {
    return this.#waiting === 0 && !this.#running && (this.#opened === undefined || this.#opened.isLost)
  }

  /**
   * Resolves once replicas have what the server has just answered to have done.
   * @param until by `performance.now()`
   */
  async pass(key: string, until: number, call: StoreCall): Promise<void> {
    this.#waiting++
    try {
      const doneBy = await this.#processAt(this.#server.epoch, call)
      await new Promise<void>((resolve, reject) => {
        this.#next.push({ key, doneBy, until, call, resolve, reject })
        void this.#run()
      })
    } finally {
      this.#waiting--
    }
  }

  close(): void {
    this.#closed = true
    this.#leave()
  }

  async #run(): Promise<void> {
    if (this.#running) return // guard: one at a time
    this.#running = true
    while (this.#next.length > 0) {
      const group = this.#next
      this.#next = []
      await this.#together(group)
    }
    this.#running = false
  }

  async #together(group: readonly Waiting[]): Promise<void> {
    const until = Math.max(...group.map((waiting) => waiting.until))
    let timer: NodeJS.Timeout | undefined
    // A connection that says nothing any more must not keep those who come next.
    const silence = new Promise<never>((_, reject) => {
      // Those who have queued behind such a one may be later still.
      const ms = Math.max(0, until - performance.now() + LATE)
      timer = setTimeout(() => reject(new NotAcknowledged(SILENT)), ms)
    })
    try {
      await Promise.race([this.#try(group, until), silence])
    } catch (error) {
      this.#leave()
      for (const { reject } of group) reject(error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #try(group: readonly Waiting[], until: number): Promise<void> {
    let mine: readonly Waiting[] = []
    let replicas: number
    try {
      mine = await this.#sameProcess(group)
      replicas = mine.length === 0 ? 0 : await this.#wait(mine, until)
    } catch (error) {
      const isLost = !(error instanceof NotAcknowledged || storeError(error) instanceof ReplyError)
      if (!isLost || this.#closed || performance.now() > until) throw error
      // The connection was lost. To ask twice does no harm.
      this.#leave()
      await pause(RETRY)
      return this.#try(group, until)
    }
    const reason = `only ${replicas} of ${this.#replicas} replicas have acknowledged it in time`
    for (const { resolve, reject } of mine) {
      if (replicas < this.#replicas) reject(new NotAcknowledged(reason)) // guard: so many replicas
      resolve()
    }
  }

  /** Those whose process is still there; the others are told. */
  async #sameProcess(group: readonly Waiting[]): Promise<Waiting[]> {
    const [{ call }] = group as [Waiting]
    let own = await this.#connected(call)
    // This connection may be the older one.
    if (group.some(({ doneBy }) => doneBy !== own.process)) {
      this.#leave()
      own = await this.#connected(call)
    }
    return group.filter(({ doneBy, reject }) => {
      if (doneBy !== own.process) reject(new NotAcknowledged(REPLACED)) // guard: same process
      return doneBy === own.process
    })
  }

  async #connected(call: StoreCall): Promise<Own> {
    if (this.#own !== undefined && !this.#own.connection.isLost) return this.#own
    if (this.#closed) throw new NotAcknowledged('the store has been closed')
    const connection = this.#server.beside()
    this.#opened = connection
    await connection.ready
    const own = { connection, ...(await identify(connection, call)) }
    // It took too long, and others have left it, or opened another one.
    if (this.#opened !== connection) throw new NotAcknowledged(SILENT) // guard: left meanwhile
    this.#own = own
    return own
  }

  #leave(): void {
    this.#own = undefined
    this.#opened?.end()
    this.#opened = undefined
  }

  /** @returns how many replicas have what the group has done */
  async #wait(group: readonly Waiting[], until: number): Promise<number> {
    const keys = new Set([...(this.#key ? [this.#key] : []), ...group.map(({ key }) => key)])
    let refusal: unknown
    for (const key of keys) {
      // Never 0, which is for ever.
      const ms = Math.max(1, Math.floor(until - performance.now()))
      const [wrote, replicas] = await this.#send(key, ms, (group[0] as Waiting).call)
      if (wrote.status === 'rejected') {
        refusal = wrote.reason
        // Its slot is on its way to another master; that of another key may not be.
        if (isRedirection(refusal)) continue
        throw refusal
      }
      if (replicas.status === 'rejected') throw replicas.reason
      this.#key = key
      return Number(replicas.value)
    }
    this.#key = undefined
    throw refusal
  }

  /** Both in one turn, so that they are one round trip. */
  async #send(key: string, ms: number, call: StoreCall) {
    const { connection, isCluster } = this.#own as Own
    const send = (...words: string[]) => {
      this.#onCommand?.(words)
      return connection.send(words, call)
    }
    // A slot that is on its way here is written to by those who ask for it.
    const asking = isCluster ? send('ASKING') : undefined
    const [, ...answers] = await Promise.allSettled([
      asking,
      send('EVAL', WRITE, '1', key, String(KEY_LIVES)),
      send('WAIT', String(this.#replicas), String(ms)),
    ])
    return answers as [PromiseSettledResult<unknown>, PromiseSettledResult<unknown>]
  }

  #processAt(epoch: number, call: StoreCall): Promise<string> {
    if (this.#process?.epoch !== epoch) {
      const id = identify(this.#server, call).then(({ process }) => {
        if (this.#server.epoch !== epoch) throw new NotAcknowledged(LOST) // guard: same connection
        return process
      })
      this.#process = { epoch, id }
      id.catch(() => {
        if (this.#process?.id === id) this.#process = undefined
      })
    }
    return this.#process.id
  }
}

/** Which process answers. */
async function identify(sender: Sender, call: StoreCall): Promise<{ process: string; isCluster: boolean }> {
  const info = String(await sender.send(['INFO', 'server'], call))
  const process = /^run_id:(\w+)/m.exec(info)?.[1]
  if (process === undefined) throw new NotAcknowledged('INFO does not tell the run_id of the server')
  return { process, isCluster: /^redis_mode:cluster/m.test(info) }
}

function isRedirection(error: unknown): boolean {
  const failure = storeError(error)
  return ['MOVED', 'ASK', 'TRYAGAIN'].some((word) => isReply(failure, word))
}
