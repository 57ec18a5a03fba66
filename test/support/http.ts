import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  request,
} from 'node:http'
import { connect, type Socket } from 'node:net'
import { isToken } from '../../src/core/token.ts'

// Real HTTP over loopback: a server that ends with its test, and clients that keep cookies as browsers do.

/** What can say when it is over: a test's context. */
export interface Scope {
  after(end: () => unknown): void
}

export interface TestServer {
  readonly port: number
  readonly url: string
}

/** Serves until the test is over, whatever its outcome: nothing that a test leaves open keeps the process alive. */
export async function serve(scope: Scope, listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener)
  scope.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { port: address.port, url: `http://127.0.0.1:${address.port}` }
}

/** Every token that servers of this process have handed out, as their clients saw it. */
export const tokensSeen = new Set<string>()

/** A response, read to its end. */
export interface Reply {
  readonly status: number
  readonly message: string
  readonly headers: IncomingHttpHeaders
  /** The `Set-Cookie` lines. */
  readonly cookies: readonly string[]
  readonly body: Buffer
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests know what they have sent
  readonly json: any
  readonly trailers: NodeJS.Dict<string>
  /** The 1xx responses that came before. */
  readonly informational: readonly { readonly status: number; readonly headers: IncomingHttpHeaders }[]
}

export interface Ask {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  /** Sent in place of the cookies that the client keeps; `null`: none. */
  readonly cookie?: string | null
}

/** Someone with a cookie jar and connections that stay open. */
export class Visitor {
  readonly #server: TestServer
  readonly #agent: Agent
  readonly cookies = new Map<string, string>()

  constructor(scope: Scope, server: TestServer) {
    this.#server = server
    this.#agent = new Agent({ keepAlive: true })
    scope.after(() => this.#agent.destroy())
  }

  /** The session token that the jar holds. */
  get token(): string | undefined {
    return [...this.cookies.values()].find(isToken)
  }

  get cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  get(path: string, ask: Ask = {}): Promise<Reply> {
    return this.send(path, ask)
  }

  post(path: string, ask: Ask = {}): Promise<Reply> {
    return this.send(path, { method: 'POST', ...ask })
  }

  /** Rejects if the response does not come, or breaks off. */
  async send(path: string, ask: Ask = {}): Promise<Reply> {
    const req = this.begin(path, ask)
    const informational: Reply['informational'][number][] = []
    req.on('information', (info) => informational.push({ status: info.statusCode, headers: info.headers }))
    const res = await headOf(req)
    const body = await bodyOf(res)
    const text = body.toString()
    return {
      status: res.statusCode ?? 0,
      message: res.statusMessage ?? '',
      headers: res.headers,
      cookies: res.headers['set-cookie'] ?? [],
      body,
      text,
      get json() {
        return JSON.parse(text)
      },
      trailers: res.trailers,
      informational,
    }
  }

  /** Sends a request; what comes back is the caller's to read or to leave. */
  begin(path: string, { method = 'GET', headers = {}, body, cookie = this.cookieHeader }: Ask = {}): ClientRequest {
    const { port } = this.#server
    const sent: OutgoingHttpHeaders = { ...(cookie && { cookie }), ...headers }
    const req = request({ host: '127.0.0.1', port, path, method, headers: sent, agent: this.#agent })
    req.on('response', (res) => {
      for (const line of res.headers['set-cookie'] ?? []) this.#keep(line)
    })
    // A test that hangs up on purpose hears of it through what it awaits.
    req.on('error', () => undefined)
    req.end(body)
    return req
  }

  #keep(line: string): void {
    const { name, value, maxAge } = parseSetCookie(line)
    if (isToken(value)) tokensSeen.add(value)
    if (maxAge === '0') this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

/** The head of the response to a request. Rejects if none comes. */
export async function headOf(req: ClientRequest): Promise<IncomingMessage> {
  const [res] = await once(req, 'response')
  return res as IncomingMessage
}

/** The whole body. Rejects if it breaks off. */
async function bodyOf(res: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export function parseSetCookie(line: string): { name: string; value: string; maxAge: string | undefined } {
  const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
  return { name, value, maxAge: /;\s*Max-Age=(-?\d+)/i.exec(line)?.[1] }
}

/** A bare connection: bytes as they are on the wire. */
export interface Wire {
  readonly socket: Socket
  /** All that has come so far. */
  readonly received: string
  /** Resolves when what has come so far satisfies `enough`. Rejects if the connection ends before that. */
  until(enough: (received: string) => boolean): Promise<string>
  /** Resolves at the end of the connection, with the error that ended it, if any. */
  readonly closed: Promise<Error | undefined>
}

export async function openWire(scope: Scope, server: TestServer): Promise<Wire> {
  const socket = connect(server.port, '127.0.0.1')
  scope.after(() => socket.destroy())
  let received = ''
  let error: Error | undefined
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
    for (const [, token] of received.matchAll(/^set-cookie: [^=]+=([\w-]{43})(?=;)/gim)) {
      if (isToken(token)) tokensSeen.add(token)
    }
  })
  socket.on('error', (cause) => {
    error = cause
  })
  const closed = once(socket, 'close').then(
    () => error,
    () => error,
  )
  await once(socket, 'connect')
  return {
    socket,
    closed,
    get received() {
      return received
    },
    async until(enough) {
      while (!enough(received)) {
        if (socket.closed) throw new Error(`The connection ended after: ${received}`)
        await Promise.race([once(socket, 'data').catch(() => undefined), closed])
      }
      return received
    },
  }
}

/** A promise to be settled by hand. */
export interface Deferred<T = void> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

export function deferred<T = void>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...(settle as Omit<Deferred<T>, 'promise'>) }
}

/** Resolves when `count` parties have arrived: all of them go on at once. */
export function barrier(count: number): () => Promise<void> {
  const all = deferred()
  let missing = count
  return () => {
    if (--missing === 0) all.resolve()
    return all.promise
  }
}

/** Resolves when the condition holds. For what nobody can be asked to announce; the test's own timeout bounds it. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Runs `job` for 0 … n−1, `width` at a time. */
export async function inParallel(n: number, width: number, job: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < n) await job(next++)
  }
  await Promise.all(Array.from({ length: width }, worker))
}
