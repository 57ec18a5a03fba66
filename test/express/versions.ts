import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import newest, { type NextFunction, type Request, type Response } from 'express'
import older from 'express4'
import { expressSessions } from '../../src/express.ts'
import type { Adapter, Answer, App } from '../adapter-contract/app.ts'

/** One of the copies of Express that the adapter must work with. */
export interface Version {
  readonly name: string
  readonly express: typeof newest
}

export const express5: Version = { name: 'Express 5', express: newest }
export const express4: Version = { name: 'Express 4', express: older }
export const versions: readonly Version[] = [express5, express4]

export function expressAdapter({ name, express }: Version): Adapter {
  return {
    name,
    listener(app: App): RequestListener {
      const { sessions, otherSessions, touch, serveAsVisitor, onError } = app
      const server = express()
      const options = { onError, ...(touch && { touch }), ...(serveAsVisitor && { serveAsVisitor }) }
      for (let i = 0; i < app.mounts; i++) server.use(expressSessions(sessions, options))
      if (otherSessions) server.use(expressSessions(otherSessions, { ...options, reqSession: false }))
      // Express 4 knows nothing of promises.
      server.use((req, res, next) => {
        handle(app, req, res).catch(next)
      })
      server.use((error: unknown, _req: Request, _res: Response, next: NextFunction) => {
        app.onFailure(error)
        next(error)
      })
      return server
    },
  }
}

async function handle(app: App, req: Request, res: Response): Promise<void> {
  const answer = await app.handle({
    request: req,
    get session() {
      return app.sessions.of(req)
    },
    method: req.method,
    path: req.path,
    header: (name) => req.get(name),
  })
  await send(res, answer)
}

async function send(res: Response, { status, headers = {}, json, redirect, body }: Answer): Promise<void> {
  if (status !== undefined) res.status(status)
  res.set(headers)
  if (json !== undefined) res.json(json)
  else if (redirect !== undefined) res.redirect(status ?? 303, redirect)
  else if (typeof body === 'object') await pipeline(Readable.from(body), res)
  else if (body !== undefined) res.send(body)
  else res.end()
}
