import { KeyObject } from 'node:crypto'
import { parseCookie } from 'cookie'
import { unsign } from 'cookie-signature'
import type { AdoptedUser, Adoption } from '../../core/adoption.ts'
import { takeOver } from '../../core/adoptions.ts'
import { encode } from '../../core/codec.ts'
import { type Duration, durationOption } from '../../core/duration.ts'
import { ConfigError } from '../../core/errors.ts'
import { infoOf, type SessionInfo } from '../../core/record.ts'
import type { SessionStore } from '../../core/store.ts'
import { decodeProperties, fieldOf } from './properties.ts'
import { idOfSid } from './sid.ts'
import { REMEMBERED } from './stored-sessions.ts'

/** What express-session signs its cookie with. */
export type Secret = string | NodeJS.ArrayBufferView | KeyObject

type Awaitable<T> = T | Promise<T>

/** Where the sessions of express-session are, how to read their cookie, and what goes on of them. */
// biome-ignore lint/suspicious/noExplicitAny: nobody has typed what is in an application's old sessions
export interface ExpressSessionCookieOptions<OldData extends object = Record<string, any>> {
  /** The store that the old `CoatcheckStore` works on, with the same prefix: `redisStore(client, { prefix: 'express-session:' })`. */
  store: SessionStore
  /** The `secret` of express-session: with an array, each of them is right. */
  secret: Secret | readonly Secret[]
  /** The `name` of express-session's cookie. Default `connect.sid`. */
  name?: string
  /**
   * Whose the session is, from its properties; nothing: nobody is logged in. May ask a database, quickly: the old session is held
   * for 2 seconds. `old` tells when it began. Without this function, an adopted session has no user.
   * @example ({ passport }) => passport?.user && { userId: String(passport.user) }
   */
  user?: (properties: Partial<OldData>, old: SessionInfo) => Awaitable<AdoptedUser | null | undefined | false | 0 | ''>
  /**
   * What of the properties goes on as data. Default: all. Names that coatcheck reserves, such as `roles`, are left out in either
   * case: give them another name here.
   * @example ({ passport, roles, ...rest }) => ({ ...rest, labels: roles })
   */
  data?: (properties: Partial<OldData>) => object
  /**
   * For how long requests with the old cookie are still served after the adoption: those that were on their way with it, and
   * browsers to which the answer with the new cookie got lost. At least 1 s. Default `'10s'`.
   */
  grace?: Duration
}

/**
 * The option `adopt` of `createSessions` for an application that comes from express-session with coatcheck's Store: whoever
 * comes with the signed cookie of express-session keeps the session, with a token of ours.
 * @example
 * createSessions({
 *   store: redisStore(client),
 *   adopt: expressSessionCookie({
 *     store: redisStore(client, { prefix: 'express-session:' }),
 *     secret: process.env.SESSION_SECRET,
 *     user: ({ passport }) => passport?.user && { userId: String(passport.user) },
 *   }),
 * })
 * @throws ConfigError
 */
// biome-ignore lint/suspicious/noExplicitAny: as above
export function expressSessionCookie<OldData extends object = Record<string, any>>(
  options: ExpressSessionCookieOptions<OldData>,
): Adoption {
  const { store, secret, name = 'connect.sid', user, data, grace = '10s' } = options ?? {}
  const secrets: readonly Secret[] = Array.isArray(secret) ? secret : [secret]
  refuse(
    typeof store?.load !== 'function',
    'store must be where the old sessions are, such as redisStore(client, { prefix })',
  )
  refuse(
    secrets.length === 0 || !secrets.every(isSecret),
    'secret must be that of express-session, or an array of them',
  )
  refuse(typeof name !== 'string' || name === '', 'name must be the name of a cookie')
  refuse(user !== undefined && typeof user !== 'function', 'user must be a function')
  refuse(data !== undefined && typeof data !== 'function', 'data must be a function')
  return {
    store,
    grace: durationOption(grace, 'grace', 1000),
    remember: REMEMBERED,
    takeOver,
    idOf(header) {
      const sid = readSid(header, name, secrets)
      return sid === null ? null : idOfSid(sid)
    },
    async inherit(record) {
      const properties = () => decodeProperties(record.fields) as Partial<OldData>
      return {
        user: (user && (await user(properties(), infoOf(record)))) || null,
        fields: data === undefined ? record.fields : encodeData(data(properties())),
      }
    },
  }
}

/** The session id in the cookie, as express-session reads it: of several of the same name, the first. */
function readSid(header: string | undefined, name: string, secrets: readonly Secret[]): string | null {
  if (!header?.includes(name)) return null
  const value = parseCookie(header)[name]
  if (value === undefined) return null
  if (!value.startsWith('s:')) return null // guard: unsigned cookie
  for (const secret of secrets) {
    const sid = unsign(value.slice(2), secret)
    if (sid !== false) return sid === '' ? null : sid
  }
  return null
}

function encodeData(data: object): Map<string, string> {
  const fields = new Map<string, string>()
  for (const [field, value] of Object.entries(data)) {
    if (value !== undefined && fieldOf(field) === field) fields.set(field, encode(field, value))
  }
  return fields
}

function isSecret(secret: unknown): boolean {
  if (typeof secret === 'string') return secret !== ''
  if (ArrayBuffer.isView(secret)) return secret.byteLength > 0
  return secret instanceof KeyObject && secret.type === 'secret'
}

function refuse(wrong: boolean, why: string): void {
  if (wrong) throw new ConfigError(`expressSessionCookie: ${why}.`)
}
