import type { Request, RequestHandler } from 'express'
import { expressSessions } from '../../src/express.ts'
import { createSessions, type SessionStore, type Sessions } from '../../src/index.ts'

/** What the account page keeps in a session. Who the user is and what the device is called, coatcheck keeps itself. */
export interface AccountData {
  username: string
}

/**
 * The sessions of the account page: another cookie and other limits than on the first page, in the same store. So the
 * administrator sees visitors of both, those of the first page as guests. The path of the cookie is `/`, as it has to reach
 * `/account` and `/admin`.
 */
export function accountSessions(store: SessionStore, secure: boolean): Sessions<AccountData> {
  return createSessions<AccountData>({
    store,
    idleTimeout: '30m',
    lifetime: '12h',
    maxPerUser: 20,
    cookie: { name: secure ? '__Host-account' : 'account', secure },
  })
}

/** What the pages read by themselves, as long as they are open. */
const BACKGROUND = new Set(['/account/events', '/account/sessions', '/admin/sessions/stats'])

/** Mounts them. Nobody is kept logged in by a page that is only open. */
export function mountAccounts(accounts: Sessions<AccountData>): RequestHandler {
  return expressSessions(accounts, {
    reqSession: false,
    touch: (req) => {
      const { method, originalUrl } = req as Request
      const isRead = method === 'GET' || method === 'HEAD'
      return !(isRead && BACKGROUND.has(originalUrl.split('?', 1)[0] as string))
    },
  })
}
