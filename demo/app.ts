import { fileURLToPath } from 'node:url'
import express, { type Express } from 'express'
import { expressSessions, sameOrigin } from '../src/express.ts'
import type { SessionStore, Sessions } from '../src/index.ts'
import { adminRoutes } from './account/admin.ts'
import { accountRoutes } from './account/routes.ts'
import { type AccountData, mountAccounts } from './account/sessions.ts'
import { answerErrors, notFound } from './errors.ts'
import { page } from './page.ts'
import type { CommandRecorder } from './recorder.ts'
import { routes } from './routes.ts'
import { securityHeaders } from './security.ts'

/** What the demo keeps in a session. */
export interface DemoData {
  username: string
  page_views: number
}

/** One app server of the demo. */
export interface Instance {
  /** Of the first page. */
  readonly sessions: Sessions<DemoData>
  /** Of the account and admin pages. */
  readonly accounts: Sessions<AccountData>
  /** The store behind the sessions: the demo shows what is in it. */
  readonly store: SessionStore
  /** Which store it is, in a few words. */
  readonly storeName: string
  readonly recorder: CommandRecorder
  /** The longest time to live that may be asked for, in seconds. */
  readonly lifetime: number
  /** Which of the instances this is, counted from 1. */
  readonly number: number
  /** The ports of all instances, once they listen. */
  readonly ports: readonly number[]
}

const PUBLIC = fileURLToPath(new URL('./public', import.meta.url))

/** The demo's web application. */
export function createApp(instance: Instance): Express {
  const { sessions, accounts, recorder } = instance
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.use(securityHeaders)

  // Before the sessions: to look at the page costs Redis nothing, and is no activity.
  app.get('/', page(instance, 'index'))
  app.get('/account', page(instance, 'account'))
  app.use(express.static(PUBLIC, { index: false, cacheControl: false }))

  app.use(sameOrigin())

  app.use(['/account', '/admin'], mountAccounts(accounts))
  app.use('/account', accountRoutes(instance))
  app.use('/admin', adminRoutes(instance))
  app.use(['/account', '/admin'], notFound)

  app.use(express.urlencoded({ extended: false, limit: '8kb' }), express.json({ limit: '8kb' }))
  app.use((_req, _res, next) => recorder.record(next))
  // Only an action extends a session; GET /session, which the page polls, does not.
  app.use(expressSessions(sessions, { touch: (req) => req.method === 'POST', reqSession: false }))
  app.use(routes(instance))

  app.use(notFound)
  app.use(answerErrors)
  return app
}
