import type { ServerResponse } from 'node:http'
import type { FailureAnswer } from './failure-answer.ts'
import { streamOf } from './http2.ts'
import { nodeError, replaceHead } from './response-head.ts'

/** The methods through which an answer leaves. */
export type Method = 'writeHead' | 'flushHeaders' | 'write' | 'end'

// biome-ignore lint/suspicious/noExplicitAny: the overloads of write and end are passed on as they come
export type Args = any[]

/**
 * The way out of a response: its methods as they were before the gate (Node's own, or those of a middleware), except that
 * nothing here lets the client see the end of the answer before `end()`. A client knows the end of a body by its
 * `Content-Length`, so the last byte of such a body stays here; of an answer without a body the head is the end, and stays.
 */
export class ResponseExit {
  readonly #res: ServerResponse
  readonly #below: Pick<ServerResponse, Method | 'on'>
  /** Of the body, as the head says; `null` if it says nothing, `undefined` before the first write. */
  #length: number | null | undefined
  #written = 0
  #lastByte: Buffer | null = null
  /** The end is leaving. Some responses send its chunk through their own `write` (http2, light-my-request): that is no news. */
  ending = false

  constructor(res: ServerResponse) {
    this.#res = res
    const { writeHead, flushHeaders, write, end, on } = res
    this.#below = { writeHead, flushHeaders, write, end, on }
  }

  writeHead(args: Args): void {
    this.#call('writeHead', args)
  }

  flushHeaders(): void {
    if (!isBodiless(this.#res)) this.#call('flushHeaders', [])
    else if (!this.#res.headersSent) this.#res.writeHead(this.#res.statusCode)
  }

  write(args: Args): boolean {
    if (this.ending || !this.#completes(args)) return this.#call('write', args)
    const bytes = this.#withLastByte(args)
    this.#lastByte = Buffer.from(bytes.subarray(-1))
    return this.#call('write', [bytes.subarray(0, -1), ...callbackOf(args)])
  }

  end(args: Args): void {
    this.#end(this.#lastByte === null ? args : [this.#withLastByte(args), ...callbackOf(args)])
  }

  /** Answers something else, whatever the application has said so far. */
  replace({ status, headers, body }: FailureAnswer): void {
    replaceHead(this.#res, status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
    // Said here: left to Node, it would be asked of the gate, which drops everything by now.
    this.#call('writeHead', [status])
    this.#end([body])
  }

  /** Breaks the connection, so that no client takes what it has for the whole. */
  cut(): void {
    const res = this.#res
    const { socket } = res
    const stream = streamOf(res)
    if (stream !== undefined) {
      stream.close(INTERNAL_ERROR) // guard: audible end of a stream
      return
    }
    // Where only the end of the connection ends the body (HTTP/1.0), an orderly one would say that all is well.
    const endsWithConnection = res.headersSent && !res.chunkedEncoding && contentLength(res) === null
    if (endsWithConnection && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy() // guard: audible end
    res.destroy()
  }

  /** A middleware below may have moved the listeners elsewhere (compression does): its `on` returns where they are. */
  emitDrain(): void {
    const nothing = () => undefined
    const emitter = this.#below.on.call(this.#res, 'drain', nothing)
    emitter.off('drain', nothing)
    emitter.emit('drain')
  }

  #end(args: Args): void {
    this.ending = true
    try {
      this.#call('end', args)
    } finally {
      this.ending = false
    }
  }

  /** Whether the body has come to its announced end with this chunk. */
  #completes(args: Args): boolean {
    if (this.#length === undefined) this.#length = isBodiless(this.#res) ? null : contentLength(this.#res)
    if (this.#length === null) return false
    this.#written += Buffer.byteLength(args[0], encodingOf(args))
    return this.#written >= this.#length
  }

  #withLastByte(args: Args): Buffer {
    const bytes = isChunk(args[0]) ? Buffer.from(args[0] as string, encodingOf(args)) : Buffer.alloc(0)
    return this.#lastByte === null ? bytes : Buffer.concat([this.#lastByte, bytes])
  }

  // biome-ignore lint/suspicious/noExplicitAny: each method returns what it returns
  #call(method: Method, args: Args): any {
    return (this.#below[method] as (...args: Args) => unknown).apply(this.#res, args)
  }
}

/** Of http2: the client learns that the body has no end. */
const INTERNAL_ERROR = 2

/** What Node would refuse later must be refused now, while the error still reaches the handler. */
export function checkChunk(chunk: unknown): void {
  if (isChunk(chunk)) return
  throw chunk === null
    ? nodeError(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream')
    : nodeError(TypeError, 'ERR_INVALID_ARG_TYPE', `A chunk must be a string or bytes, not of type ${typeof chunk}`)
}

/** A call that goes nowhere; its callback is told all the same, so that nobody waits for it. */
export function drop(args: Args, error?: unknown): void {
  for (const callback of callbackOf(args)) process.nextTick(callback, error)
}

function isChunk(chunk: unknown): chunk is string | Uint8Array {
  return typeof chunk === 'string' || chunk instanceof Uint8Array
}

function encodingOf([, encoding]: Args): BufferEncoding {
  return typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'
}

function callbackOf(args: Args): Args {
  return args.filter((arg) => typeof arg === 'function')
}

function contentLength(res: ServerResponse): number | null {
  const header = res.getHeader('Content-Length')
  return header === undefined ? null : Number(header)
}

function isBodiless(res: ServerResponse): boolean {
  return res.req.method === 'HEAD' || res.statusCode === 204 || res.statusCode === 304 || contentLength(res) === 0
}
