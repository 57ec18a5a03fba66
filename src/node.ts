/**
 * Sessions and guards for servers of `node:http` and `node:http2`, and for the upgrade to a WebSocket.
 *
 * @module coatcheck/node
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answerRefusal, checkOrigin } from './adapters/node-guards.ts'
import {
  answerFailure,
  isEncrypted,
  type NodeRequest,
  type NodeResponse,
  upgradeResponse,
} from './adapters/node-http.ts'
import { RequestFacts, type RequestReader } from './adapters/request-facts.ts'
import { ResponseGate } from './adapters/response-gate.ts'
import { SessionKeeper } from './adapters/session-keeper.ts'
import type { Refusal } from './core/guards.ts'
import { lastMounted, mountedOf } from './core/mounted.ts'
import type { RequestState } from './core/request-state.ts'
import type { SameOriginOptions } from './core/same-origin.ts'
import type { Sessions } from './core/sessions.ts'

export {
  type Guard,
  type GuardOptions,
  type NodeSameOriginOptions,
  type RefusalOptions,
  redirectToLogin,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  sameOrigin,
} from './adapters/node-guards.ts'
export type { NodeRequest, NodeResponse } from './adapters/node-http.ts'
export type { Refusal, RefusalCode } from './core/guards.ts'
export { safeReturnTo } from './core/return-to.ts'
export type { SameOriginOptions } from './core/same-origin.ts'

/** How sessions meet a server of Node. */
export interface NodeSessionsOptions {
  /** Whether this request counts as activity. Default: every request does. `false` for a route that polls. */
  touch?(req: NodeRequest): boolean
  /**
   * Whether this request is served as a visitor's if the store fails as its session is read: with empty data, no user,
   * `session.unavailable`, and no write. Asked only then. Default: none is, the answer is 503.
   */
  serveAsVisitor?(req: NodeRequest): boolean
  /** Whether a request came over https, for a server behind a proxy that ends TLS. Default: what its connection tells. */
  secure?: (req: NodeRequest) => boolean
  /** The client's address, for a server behind a proxy. Default: that of the connection. */
  address?: (req: NodeRequest) => string | undefined
  /** Told of errors that no handler can see any more (a commit that failed after `res.end()`). Default `console.error`. */
  onError?(error: unknown, req: NodeRequest): void
  /**
   * Told of a request that has failed (the listener threw, or the store was away) and free to answer it. If it leaves that,
   * the answer is the error's `status`, or 500, with JSON such as `{ "error": "Internal server error" }`. Default `console.error`.
   */
  onFailure?: (error: unknown, req: NodeRequest, res: ServerResponse) => unknown
}

/** How sessions meet the upgrade to a WebSocket. */
export interface UpgradeSessionsOptions extends NodeSessionsOptions, SameOriginOptions {}

/** Wraps a listener of `request` events. */
export type WithSession = <Req extends NodeRequest = IncomingMessage, Res extends NodeResponse = ServerResponse>(
  listener: (req: Req, res: Res) => unknown,
) => (req: Req, res: Res) => Promise<void>

/** Wraps a listener of `upgrade` events. */
export type WithUpgrade = (
  listener: (req: IncomingMessage, socket: Duplex, head: Buffer) => unknown,
) => (req: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>

/**
 * Wraps the listener of an `http` or `http2` server: loads the session of each request, and commits its changes before the
 * response leaves. A listener that throws or rejects fails its request: what it has changed is discarded, and 500 or the
 * error's `status` is answered. When the store is away, a request with a session fails with 503 and never reaches the listener.
 * A commit that fails after the listener has answered replaces that answer: 503, or 401 if the session has ended meanwhile.
 *
 * @example createServer(nodeSessions(sessions)(async (req, res) => res.end(sessions.of(req).data.name)))
 */
export function nodeSessions<Data>(sessions: Sessions<Data>, options: NodeSessionsOptions = {}): WithSession {
  const reader = readerOf(options)
  return (listener) =>
    function coatcheckSessions(req, res) {
      const response = res as ServerResponse
      return handle(sessions, req, options, reader, {
        cookies: true,
        attach: (keeper) => new ResponseGate(response, keeper),
        run: () => listener(req, res),
        response: () => response,
      })
    }
}

/**
 * Wraps the listener of a server's `upgrade` event, through which a WebSocket begins: loads the session, as activity, and
 * refuses (403) what another site has made the browser send, for a WebSocket asks no `sameOrigin()` of a page. No cookie can be
 * set, so nothing can begin, rotate or log out here; nothing is committed by itself. Writing to a session that there is goes by
 * `update`, `increment` and `commit()`, for as long as the session keeps its token: a rotation elsewhere is followed by a write
 * within `rotationGrace`, and by none after.
 *
 * @example
 * server.on('upgrade', upgradeSessions(sessions)(requireUser()((req, socket, head) => {
 *   wss.handleUpgrade(req, socket, head, (ws) => wss.emit('connection', ws, req))
 * })))
 */
export function upgradeSessions<Data>(sessions: Sessions<Data>, options: UpgradeSessionsOptions = {}): WithUpgrade {
  // The method is GET, which passes elsewhere; what follows an upgrade is no reading.
  const check = checkOrigin(options, () => undefined)
  const reader = readerOf(options)
  return (listener) =>
    async function coatcheckUpgrade(req, socket, head) {
      // Until the listener has the connection nobody else listens to it, and an error of it would end the process.
      const ignore = () => undefined
      socket.on('error', ignore)
      await handle(sessions, req, options, reader, {
        cookies: false,
        async admit() {
          const decision = await check(req)
          if (decision !== 'allow') return refuseUpgrade(decision, req, socket) // guard: cross-site upgrade
          return true
        },
        attach: (keeper) => keeper.headLeaves(),
        async run() {
          if (socket.destroyed) return
          socket.off('error', ignore)
          const { bytesWritten } = req.socket
          try {
            await listener(req, socket, head)
          } catch (error) {
            // Whoever has the upgrade already is not to read an answer in it.
            if (req.socket.bytesWritten !== bytesWritten) socket.destroy()
            throw error
          }
        },
        response: () => upgradeResponse(req, socket),
      })
    }
}

/** One request, from its cookie to the end of its listener. */
interface Handling {
  readonly cookies: boolean
  /** Whether it goes on at all; if not, it has been answered. */
  admit?(): Promise<boolean>
  attach(keeper: SessionKeeper): void
  run(): unknown
  /** To answer a failure with. */
  response(): ServerResponse
}

function refuseUpgrade(refusal: Refusal, req: IncomingMessage, socket: Duplex): false {
  answerRefusal(refusal, req, upgradeResponse(req, socket))
  return false
}

/** Noted with what is mounted on a request here. */
const HANDLED = {}

/** Whether a request has been handled here before these sessions were mounted, if they were: who is around them answers its failure. */
function isInner(req: NodeRequest, sessions: object, wasMounted: boolean): boolean {
  let mounted = wasMounted ? mountedOf(req, sessions)?.before : lastMounted(req)
  while (mounted !== undefined && mounted.note !== HANDLED) mounted = mounted.before
  return mounted !== undefined
}

async function handle<Data>(
  sessions: Sessions<Data>,
  req: NodeRequest,
  options: NodeSessionsOptions,
  reader: RequestReader<NodeRequest>,
  { cookies, admit, attach, run, response }: Handling,
): Promise<void> {
  let state: RequestState | undefined
  try {
    if (admit !== undefined && !(await admit())) return
    const client = new RequestFacts(req, reader)
    const opened = sessions.openRequest(req, req.headers.cookie, { client, cookies, note: HANDLED })
    state = opened instanceof Promise ? await opened : opened
    attach(new SessionKeeper(state, client))
    await run()
  } catch (error) {
    state?.discard() // guard: discard what a listener has changed
    if (isInner(req, sessions, state !== undefined)) throw error
    await fail(error, req, response(), options)
  }
}

/** Never rejects: to a server, that would be an error that nobody has caught. */
async function fail(
  error: unknown,
  req: NodeRequest,
  res: ServerResponse,
  options: NodeSessionsOptions,
): Promise<void> {
  const { onFailure = logError } = options
  const tooLate = res.headersSent
  try {
    await onFailure(error, req, res)
    if (!tooLate && res.headersSent) return
  } catch (failure) {
    console.error(failure)
  }
  answerFailure(error, req, res)
}

function readerOf({
  address = remoteAddress,
  secure = isEncrypted,
  touch,
  serveAsVisitor,
  onError,
}: NodeSessionsOptions): RequestReader<NodeRequest> {
  return { userAgent: (req) => req.headers['user-agent'], address, secure, touch, serveAsVisitor, onError }
}

function remoteAddress(req: NodeRequest): string | undefined {
  return req.socket.remoteAddress
}

function logError(error: unknown): void {
  console.error(error)
}
