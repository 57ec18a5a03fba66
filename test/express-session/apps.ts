import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import session, { type SessionOptions, type Store } from 'express-session'
import { type Scope, serve, type TestServer, Visitor } from '../support/http.ts'

/** What the applications of these tests keep in a session. */
declare module 'express-session' {
  interface SessionData {
    // biome-ignore lint/suspicious/noExplicitAny: an application's own properties
    [property: string]: any
  }
}

export interface App {
  readonly app: Express
  readonly server: TestServer
  /** What reached the error handler. */
  readonly errors: unknown[]
  visitor(): Visitor
}

export const SECRET = 'a secret that signs session ids'

/** An Express application with express-session on this store, until the test is over. */
export async function openApp(
  scope: Scope,
  store: Store,
  routes: (app: Express) => void,
  options: Partial<SessionOptions> = {},
): Promise<App> {
  const errors: unknown[] = []
  const app = express()
  app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false, ...options }))
  routes(app)
  app.use((error: { status?: number }, _req: Request, res: Response, next: NextFunction) => {
    errors.push(error)
    // What fails after the response has begun is nobody's answer any more.
    if (res.headersSent) return
    res.status(error.status ?? 500).end()
    void next
  })
  const server = await serve(scope, app)
  return { app, server, errors, visitor: () => new Visitor(scope, server) }
}

/** The session id in a signed cookie. */
export function sidOf(visitor: Visitor, name = 'connect.sid'): string {
  const value = decodeURIComponent(visitor.cookies.get(name) ?? '')
  const [, sid = ''] = /^s:(.*)\.[^.]+$/.exec(value) ?? []
  return sid
}
