import type { ServerResponse } from 'node:http'
import { deferDestroy, makeDeferrable } from './defer-destroy.ts'
import type { FailureAnswer } from './failure-answer.ts'
import { freezeHead } from './freeze-head.ts'
import { isDestroyed } from './http2.ts'
import { override } from './override.ts'
import { type Args, checkChunk, drop, type Method, ResponseExit } from './response-exit.ts'
import {
  addSessionCookie,
  applyHead,
  COOKIES,
  checkStatus,
  headersSentError,
  keepStatus,
  nodeError,
} from './response-head.ts'

/** Under which a response has its first gate. */
const GATE = Symbol('coatcheck')

type Gated = ServerResponse & { [GATE]?: ResponseGate; [COOKIES]?: string[] | undefined }

/** What the gate asks of the session behind a response. None of these throws. */
export interface Gatekeeper {
  /** Looks for changes to commit, as of now. Returns how to commit them, or `null` if there is nothing to do. */
  prepare(): (() => Promise<void>) | null
  /** Whether the head has to carry a cookie, as of now. */
  owesCookie(): boolean
  /** The `Set-Cookie` line that the head has to carry, once. */
  takeCookie(): string | null
  /** The head is leaving now. */
  headLeaves(): void
  /** A commit failed before the head left: what to answer instead. */
  refuse(error: unknown): FailureAnswer
  /** A commit, or a held call, failed after the head had left; the connection is cut. */
  fail(error: unknown): void
}

/**
 * - `open`: nothing written yet.
 * - `held`: the application has begun to answer, and the commit is on its way: what it does is queued.
 * - `passing`: the head has left; only the end is watched.
 * - `ending`: changes made after the head are being committed before the end is released.
 * - `refused`: a commit failed, and another answer has gone out: what the application still writes is dropped.
 */
type Phase = 'open' | 'held' | 'passing' | 'ending' | 'refused'

/**
 * Stands between an application and its response, so that whoever has seen the end of the response finds the session
 * committed (P3). If there is nothing to commit, every call passes straight through. Else, at the first of write, end,
 * writeHead and flushHeaders, status and headers freeze and the calls queue until the commit is done; a failed commit
 * replaces the answer. 1xx responses pass. Why it is done so: docs/decisions/005-response-gate.md.
 */
export class ResponseGate {
  readonly #res: ServerResponse
  readonly #keeper: Gatekeeper
  readonly #exit: ResponseExit
  #phase: Phase = 'open'
  #queue: { method: Method; args: Args }[] = []
  #owesDrain = false
  /** The application has said all that it has to say. */
  #ended = false

  constructor(res: ServerResponse, keeper: Gatekeeper) {
    this.#res = res
    this.#keeper = keeper
    this.#exit = new ResponseExit(res)
    this.#install(res)
    makeDeferrable(res)
    if (res.headersSent) this.#headLeaves()
  }

  /**
   * The first gate of a response has functions that all responses share. Functions made for each, V8 keeps over collections
   * of young objects, and with them all that hangs on the request: that took as much time as serving it (see Beside).
   */
  #install(res: Gated): void {
    if (res[GATE] !== undefined) {
      // What is below this one finds the first by the response.
      const methods = res as unknown as Record<string, unknown>
      for (const [name, method] of Object.entries(ResponseGate.#shared))
        methods[name] = method.bind({ [GATE]: this } as never)
      return
    }
    res[GATE] = this
    // All responses are to V8 of one kind, whether or not they are going to carry one.
    res[COOKIES] = undefined
    // One by one: `Object.assign` takes several times as long.
    const { writeHead, flushHeaders, write, end } = ResponseGate.#shared
    res.writeHead = writeHead
    res.flushHeaders = flushHeaders
    res.write = write
    res.end = end
  }

  static readonly #shared = {
    writeHead(this: Gated, ...args: Args): ServerResponse {
      return (this[GATE] as ResponseGate).#writeHead(args)
    },
    flushHeaders(this: Gated): void {
      ;(this[GATE] as ResponseGate).#pass('flushHeaders', [])
    },
    write(this: Gated, ...args: Args): boolean {
      return (this[GATE] as ResponseGate).#write(args)
    },
    end(this: Gated, ...args: Args): ServerResponse {
      return (this[GATE] as ResponseGate).#end(args)
    },
  }

  #writeHead(args: Args): ServerResponse {
    if (this.#phase === 'refused') return this.#res
    if (this.#phase === 'held' || this.#phase === 'ending') throw headersSentError('write') // guard: frozen head
    if (this.#phase === 'open') {
      checkStatus(args[0])
      const commit = this.#keeper.prepare()
      // Node takes an array of pairs only from whoever has set no header before.
      if (commit === null && !this.#keeper.owesCookie() && !args.some(Array.isArray)) {
        this.#exit.writeHead(args)
        this.#headLeaves()
        return this.#res
      }
      // In place on the response, where a cookie can be added; handed on again, they would replace it.
      applyHead(this.#res, args)
      args = [this.#res.statusCode]
      if (commit === null) this.#headLeaves()
      else void this.#commitBeforeHead(commit) // guard: commit before the head
    }
    this.#pass('writeHead', args)
    return this.#res
  }

  #write(args: Args): boolean {
    if (this.#exit.ending) return this.#exit.write(args) // guard: the end's own chunk
    checkChunk(args[0])
    if (this.#mustWait()) {
      this.#queue.push({ method: 'write', args })
      this.#owesDrain = true
      return false
    }
    if (this.#phase !== 'refused') return this.#exit.write(args)
    drop(args)
    return true
  }

  #end(args: Args): ServerResponse {
    if (args[0] != null && typeof args[0] !== 'function') checkChunk(args[0])
    this.#ended = true
    if (this.#phase === 'passing') {
      const commit = this.#keeper.prepare()
      if (commit !== null) void this.#commitBeforeEnd(commit) // guard: commit before the end
    }
    this.#pass('end', args)
    return this.#res
  }

  #pass(method: Method, args: Args): void {
    if (this.#mustWait()) this.#queue.push({ method, args })
    else if (this.#phase === 'refused') drop(args)
    else this.#exit[method](args)
  }

  /** Whether the call at hand has to wait. At the first call of all, decides it. */
  #mustWait(): boolean {
    if (this.#phase === 'open') {
      checkStatus(this.#res.statusCode)
      const commit = this.#keeper.prepare()
      if (commit === null) this.#headLeaves()
      else void this.#commitBeforeHead(commit) // guard: commit before the head
    }
    return this.#phase === 'held' || this.#phase === 'ending'
  }

  #headLeaves(): void {
    this.#phase = 'passing'
    const cookie = this.#keeper.takeCookie()
    if (cookie !== null) addSessionCookie(this.#res, cookie)
    this.#keeper.headLeaves()
  }

  /** Settles everything itself and never rejects. */
  async #commitBeforeHead(commit: () => Promise<void>): Promise<void> {
    this.#phase = 'held'
    const thaw = freezeHead(this.#res, () => this.#ended)
    const restoreStatus = keepStatus(this.#res)
    const releaseSocket = deferDestroy(this.#res)
    let failure: { error: unknown } | undefined
    try {
      await commit()
      // What the application changed between its first write and its end still comes before the head.
      if (this.#ended) await this.#keeper.prepare()?.() // guard: changes until the end
    } catch (error) {
      failure = { error }
    }
    // Without a pause from here on: a call that slipped in between would be replayed, but not its changes committed.
    thaw()
    restoreStatus()
    try {
      if (failure !== undefined) this.#refuse(failure.error)
      else {
        this.#headLeaves()
        this.#replay()
      }
      releaseSocket(failure !== undefined || this.#ended)
    } catch (error) {
      releaseSocket(false)
      this.#cut(error)
    }
    if (this.#owesDrain) process.nextTick(() => this.#exit.emitDrain())
    this.#owesDrain = false
  }

  /** Settles everything itself and never rejects. */
  async #commitBeforeEnd(commit: () => Promise<void>): Promise<void> {
    this.#phase = 'ending'
    const restore = override(this.#res, { writableEnded: { get: () => true } })
    const releaseSocket = deferDestroy(this.#res)
    try {
      await commit()
      restore()
      this.#phase = 'passing'
      this.#replay()
      releaseSocket(true)
    } catch (error) {
      restore()
      releaseSocket(false)
      this.#cut(error)
    }
  }

  /** Makes the queued calls. Of a response that was destroyed meanwhile there is nothing left to send. */
  #replay(): void {
    if (isDestroyed(this.#res)) {
      this.#dropQueue(nodeError(Error, 'ERR_STREAM_DESTROYED', 'Cannot write after a stream was destroyed'))
    }
    for (const { method, args } of this.#queue.splice(0)) {
      const result = this.#exit[method](args)
      // If there is no room below either, whoever has none says when there is.
      if (method === 'write') this.#owesDrain = result !== false
    }
  }

  /** The commit failed: everything that the application has said so far is dropped, and this is answered instead. */
  #refuse(error: unknown): void {
    this.#phase = 'refused'
    const answer = this.#keeper.refuse(error)
    const cookie = this.#keeper.takeCookie()
    if (cookie !== null) addSessionCookie(this.#res, cookie)
    this.#keeper.headLeaves()
    this.#dropQueue(error)
    if (!isDestroyed(this.#res)) this.#exit.replace(answer) // guard: another answer
  }

  /** After the head the answer cannot be changed any more: better no end than one that says all is well. */
  #cut(error: unknown): void {
    this.#phase = 'refused'
    this.#dropQueue(error)
    this.#keeper.fail(error)
    this.#exit.cut() // guard: cut off
  }

  #dropQueue(error: unknown): void {
    for (const { args } of this.#queue.splice(0)) drop(args, error)
  }
}
