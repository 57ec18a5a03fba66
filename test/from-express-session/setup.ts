import { randomBytes } from 'node:crypto'
import { sign } from 'cookie-signature'
import { COOKIE_FIELD, encodeProperties } from '../../src/adapters/express-session/properties.ts'
import { idOfSid } from '../../src/adapters/express-session/sid.ts'
import type { OpenOptions } from '../../src/core/open-request.ts'
import type { Session } from '../../src/core/session.ts'
import { type ExpressSessionCookieOptions, expressSessionCookie } from '../../src/from-express-session.ts'
import { createSessions, type SessionStore, type Sessions, type SessionsOptions } from '../../src/index.ts'
import { begin } from '../store-contract.ts'
import { parseSetCookie } from '../support/http.ts'

export const SECRET = 'what express-session signs with'

/** What is in the sessions that these tests adopt. */
export interface Data {
  cart: string[]
  name: string
  views: number
  labels: string[]
  passport: { user: number }
  [field: `field${number}`]: number
}

type Old = Data & { roles: string[] }
type CookieOptions = Partial<ExpressSessionCookieOptions<Old>>

/** Whose a session is, as most applications with passport say it. */
export const passportUser: NonNullable<CookieOptions['user']> = ({ passport }) =>
  passport?.user && { userId: String(passport.user) }

/** An application that goes on with the sessions in `old`. */
export function open(
  store: SessionStore,
  old: SessionStore,
  adopt: CookieOptions = {},
  options: Partial<SessionsOptions> = {},
): Sessions<Data> {
  return createSessions<Data>({
    store,
    // How long a store may take is the subject of few tests, and none for a busy machine to decide.
    storeTimeout: '20s',
    cookie: { secure: false },
    adopt: expressSessionCookie({ store: old, secret: SECRET, user: passportUser, ...adopt }),
    ...options,
  })
}

/** A session of express-session, and what its browser sends. */
export interface OldSession {
  readonly sid: string
  readonly id: string
  readonly cookie: string
}

export async function beginOld(store: SessionStore, properties: object, secret: string = SECRET): Promise<OldSession> {
  const sid = randomBytes(24).toString('base64url')
  const fields = encodeProperties(properties)
  fields.set(COOKIE_FIELD, '{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}')
  const { id } = await begin(store, { id: idOfSid(sid), data: Object.fromEntries(fields) })
  return { sid, id, cookie: `connect.sid=${signed(sid, secret)}` }
}

/** As express-session writes it. */
export function signed(sid: string, secret: string = SECRET): string {
  return encodeURIComponent(`s:${sign(sid, secret)}`)
}

/** What one request came to. */
export interface Answer<T> {
  readonly said: T
  readonly setCookie: string | null
  /** The token that the answer hands out. */
  readonly token: string | null
}

/** A request without HTTP: opened, handled and committed as an adapter does it. */
export async function ask<T>(
  sessions: Sessions<Data>,
  cookie: string | undefined,
  handle: (session: Session<Data>) => T | Promise<T>,
  options?: OpenOptions,
): Promise<Answer<T>> {
  const request = {}
  const state = await sessions.openRequest(request, cookie, options)
  const said = await handle(sessions.of(request))
  await state.commit()
  const setCookie = state.takeCookie()
  const token = setCookie === null ? null : parseSetCookie(setCookie).value || null
  return { said, setCookie, token }
}

export function userOf(session: Session<Data>): string | null {
  return session.userId
}
