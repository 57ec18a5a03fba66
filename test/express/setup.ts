import type { Express, Request, Response } from 'express'
import { type ExpressSessionsOptions, expressSessions } from '../../src/express.ts'
import type { SessionStore, Sessions } from '../../src/index.ts'
import type { Bench, Data } from '../adapter-contract.ts'
import { deferred, type Scope, serve, type TestServer, Visitor } from '../support/http.ts'
import type { Version } from './versions.ts'

export interface ExpressApp {
  readonly app: Express
  readonly server: TestServer
  readonly sessions: Sessions<Data>
  /** What `onError` was told. */
  readonly errors: unknown[]
  visitor(): Visitor
}

export interface SetUp {
  readonly sessions?: Sessions<Data>
  readonly options?: ExpressSessionsOptions
  /** Mounted before the sessions. */
  readonly before?: (app: Express) => void
  /** Mounted after the sessions, before the routes `POST /begin` and `GET /seen`. */
  readonly after: (app: Express, sessions: Sessions<Data>) => void
}

/** An Express application with sessions, until the test is over. */
export async function openExpress(scope: Scope, bench: Bench, { express }: Version, setUp: SetUp): Promise<ExpressApp> {
  const { sessions = bench.sessions(), options, before, after } = setUp
  const errors: unknown[] = []
  const app = express()
  before?.(app)
  app.use(expressSessions(sessions, { onError: (error) => errors.push(bench.note(error)), ...options }))
  app.post('/begin', (req: Request, res: Response) => {
    sessions.of(req).data.name = 'Ada'
    res.json({})
  })
  app.get('/seen', (req: Request, res: Response) => {
    const { id, data } = sessions.of(req)
    res.json({ id, data })
  })
  after(app, sessions)
  const server = await serve(scope, app)
  scope.after(() => sessions.close())
  return { app, server, sessions, errors, visitor: () => new Visitor(scope, server) }
}

/** A store whose writes wait, or fail, as the test says. */
export interface HeldStore {
  readonly store: SessionStore
  /** From now on, writes wait for `release` or `fail`. */
  hold(): void
  release(): void
  fail(error: unknown): void
}

export function heldStore(bench: Bench): HeldStore {
  let gate = deferred()
  gate.resolve()
  const store = bench.store(({ commit, create }) => ({
    commit: async (...args: Parameters<SessionStore['commit']>) => {
      await gate.promise
      return commit(...args)
    },
    create: async (...args: Parameters<SessionStore['create']>) => {
      await gate.promise
      return create(...args)
    },
  }))
  return {
    store,
    hold() {
      gate = deferred()
    },
    release: () => gate.resolve(),
    fail(error) {
      gate.promise.catch(() => undefined)
      gate.reject(error)
    },
  }
}
