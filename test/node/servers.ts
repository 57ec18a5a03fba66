import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { nodeSessions } from '../../src/node.ts'
import type { Adapter, Answer, App } from '../adapter-contract/app.ts'

/** The contract's application as a listener of Node's own servers. */
export const nodeAdapter: Adapter = {
  name: 'node:http',
  listener({
    sessions,
    otherSessions,
    mounts,
    touch,
    serveAsVisitor,
    onError,
    onFailure,
    handle,
  }: App): RequestListener {
    const options = { onError, onFailure, ...(touch && { touch }), ...(serveAsVisitor && { serveAsVisitor }) }
    const answer = async (req: IncomingMessage, res: ServerResponse) => {
      const incoming = {
        request: req,
        get session() {
          return sessions.of(req)
        },
        method: String(req.method),
        path: new URL(String(req.url), 'http://localhost').pathname,
        header: (name: string) => req.headers[name.toLowerCase()]?.toString(),
      }
      await send(res, await handle(incoming))
    }
    let listener: (req: IncomingMessage, res: ServerResponse) => Promise<void> = answer
    if (otherSessions) listener = nodeSessions(otherSessions, options)(listener)
    for (let i = 0; i < mounts; i++) listener = nodeSessions(sessions, options)(listener)
    if (mounts > 0) return listener
    // Without the adapter nobody catches what a listener throws.
    return (req, res) => {
      listener(req, res).catch((error: unknown) => {
        onFailure(error)
        res.writeHead(500).end()
      })
    }
  },
}

async function send(res: ServerResponse, { status, headers = {}, json, redirect, body }: Answer): Promise<void> {
  if (status !== undefined) res.statusCode = status
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (json !== undefined) {
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify(json))
  } else if (redirect !== undefined) {
    res.writeHead(status ?? 303, { location: redirect }).end()
  } else if (typeof body === 'object') {
    await pipeline(Readable.from(body), res)
  } else {
    res.end(body)
  }
}
