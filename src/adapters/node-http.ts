import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { failureOf } from './failure-answer.ts'
import { streamOf } from './http2.ts'
import { replaceHead } from './response-head.ts'

/** A request of `node:http`, or of `node:http2` by its compatibility API. */
export type NodeRequest = IncomingMessage | Http2ServerRequest

/** A response of `node:http`, or of `node:http2` by its compatibility API. */
export type NodeResponse = ServerResponse | Http2ServerResponse

/** Whether a request came over TLS, as far as its own connection tells. */
export function isEncrypted(req: NodeRequest): boolean {
  return 'encrypted' in req.socket
}

/** The origin that a request was sent to. */
export function ownOrigin(req: NodeRequest, secure: (req: NodeRequest) => boolean): string {
  return `${secure(req) ? 'https' : 'http'}://${req.headers[':authority'] ?? req.headers.host}`
}

/** A response for a request that asked for an upgrade and does not get it. The connection ends with it. */
export function upgradeResponse(req: IncomingMessage, socket: Duplex): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  socket.on('error', () => undefined)
  res.assignSocket(socket as Socket)
  res.once('finish', () => (socket as Socket).destroySoon())
  return res
}

/** Answers a request whose handler has failed, in place of everything it has set. An answer that is complete stays. */
export function answerFailure(error: unknown, req: NodeRequest, res: ServerResponse): void {
  if (!res.headersSent) {
    const { status, headers, body } = failureOf(error)
    replaceHead(res, status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
    res.end(body)
  } else if (!res.writableEnded) {
    // Half an answer must not look like a whole one.
    const stream = streamOf(res)
    if (stream === undefined) req.socket.destroy()
    else stream.destroy(new Error('The handler has failed.', { cause: error }))
  }
}
