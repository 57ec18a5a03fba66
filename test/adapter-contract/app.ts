import type { RequestListener } from 'node:http'
import type { Session } from '../../src/core/session.ts'
import type { Sessions } from '../../src/index.ts'
import { type Scope, serve, type TestServer, Visitor } from '../support/http.ts'
import type { Bench, Data } from './bench.ts'

// An application that every web framework can run: what it is asked and what it answers, without the framework.

/** A web framework and its adapter. */
export interface Adapter {
  readonly name: string
  /** @param scope ends with the test */
  listener(app: App, scope: Scope): RequestListener | Promise<RequestListener>
}

/** Something that an adapter asks the application about a request. */
export type Ask = (req: { readonly url?: string | undefined }) => boolean

/** What an adapter's test makes an application of. */
export interface App {
  readonly sessions: Sessions<Data>
  /** Answers every request, or throws. */
  handle(incoming: Incoming): Answer | Promise<Answer>
  /** How often the adapter is mounted for a request. */
  readonly mounts: 0 | 1 | 2
  /** Other sessions for the same requests, mounted after `sessions`. */
  readonly otherSessions?: Sessions<Data> | undefined
  readonly touch?: Ask | undefined
  readonly serveAsVisitor?: Ask | undefined
  /** The adapter's option. */
  readonly onError: (error: unknown) => void
  /** What reaches the framework's own error handling; it answers as it does by default. */
  readonly onFailure: (error: unknown) => void
}

/** A request as a handler gets it. */
export interface Incoming {
  /** The framework's own request, the one that `sessions.of` knows. */
  readonly request: object
  readonly session: Session<Data>
  readonly method: string
  readonly path: string
  header(name: string): string | undefined
}

/** One of `json`, `redirect` and `body`, or none of them. */
export interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string | string[]>
  readonly json?: unknown
  readonly redirect?: string
  /** A stream begins to leave while the handler's work goes on in it. */
  readonly body?: string | AsyncIterable<Uint8Array>
}

export type Handler = App['handle']

/** Handlers by method and path, such as `GET /cart`. */
export type Routes = Record<string, Handler>

export interface OpenOptions extends Partial<Omit<App, 'handle'>> {
  readonly routes: Routes
}

export interface OpenApp {
  readonly server: TestServer
  readonly sessions: Sessions<Data>
  /** What `onError` was told. */
  readonly errors: unknown[]
  /** What reached the framework's error handling. */
  readonly failures: unknown[]
  /** A browser of its own. */
  visitor(): Visitor
}

/** Runs an application until the test is over. */
export async function open(scope: Scope, bench: Bench, adapter: Adapter, options: OpenOptions): Promise<OpenApp> {
  const { routes, sessions = bench.sessions(), mounts = 1, otherSessions, touch, serveAsVisitor } = options
  const errors: unknown[] = []
  const failures: unknown[] = []
  const application: App = {
    sessions,
    mounts,
    otherSessions,
    touch,
    serveAsVisitor,
    onError: (error) => errors.push(bench.note(error)),
    onFailure: (error) => failures.push(bench.note(error)),
    handle(incoming) {
      const handler = routes[`${incoming.method} ${incoming.path}`] ?? routes[incoming.path]
      return handler === undefined ? { status: 404 } : handler(incoming)
    },
  }
  const server = await serve(scope, await adapter.listener(application, scope))
  scope.after(() => sessions.close())
  return { server, sessions, errors, failures, visitor: () => new Visitor(scope, server) }
}

/** What most tests need: to begin a session, and to see what is in it. */
export const basics: Routes = {
  'POST /begin': ({ session }) => {
    session.data.name = 'Ada'
    return { json: { id: session.id } }
  },
  'GET /seen': ({ session }) => ({ json: { id: session.id, ended: session.ended, data: session.data } }),
  'POST /logout': async ({ session }) => {
    await session.logout()
    return { json: { ok: true } }
  },
}
