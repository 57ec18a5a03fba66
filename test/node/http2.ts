import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Adapter } from '../adapter-contract.ts'
import type { Scope } from '../support/http.ts'
import { nodeAdapter } from './servers.ts'

/** The clients of the contract speak http/1.1, so a bridge stands between them and the server. */
export const http2Adapter: Adapter = {
  name: 'node:http2',
  async listener(app, scope) {
    const listener = await nodeAdapter.listener(app, scope)
    return bridge(await serveHttp2(scope, listener as never))
  },
}

/** Serves by http2, without TLS, until the test is over. Returns a connection to it. */
export async function serveHttp2(
  scope: Scope,
  listener: (req: Http2ServerRequest, res: Http2ServerResponse) => unknown,
): Promise<ClientHttp2Session> {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  session.on('error', () => undefined)
  scope.after(() => {
    session.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return session
}

/** Hands what clients of http/1.1 ask on to a server of http2, and what that answers back, breaks included. */
function bridge(session: ClientHttp2Session): RequestListener {
  return (req, res) => {
    const { host, connection: _, 'transfer-encoding': __, ...headers } = req.headers
    const stream = session.request({
      ':method': req.method,
      ':path': req.url,
      ...(host && { ':authority': host }),
      ...headers,
    })
    req.pipe(stream)
    let whole = false
    stream.on('response', ({ ':status': status = 500, ...answered }) => {
      const { [constants.HTTP2_HEADER_STATUS]: ___, ...rest } = answered as Record<string, string>
      res.writeHead(Number(status), rest)
      res.flushHeaders()
      stream.on('end', () => {
        whole = stream.rstCode === constants.NGHTTP2_NO_ERROR
        if (whole) res.end()
      })
      stream.on('data', (chunk) => {
        if (res.write(chunk)) return
        stream.pause()
        res.once('drain', () => stream.resume())
      })
    })
    stream.on('error', () => undefined)
    stream.on('close', () => {
      if (!whole && !res.writableEnded) breakOff(req, res)
    })
    res.on('close', () => stream.close(constants.NGHTTP2_CANCEL))
  }
}

function breakOff(req: IncomingMessage, res: ServerResponse): void {
  res.destroy()
  req.socket.resetAndDestroy()
}
