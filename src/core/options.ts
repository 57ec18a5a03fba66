import type { AddressMode } from './address.ts'
import type { Adoption } from './adoption.ts'
import { type CookieOptions, SessionCookie } from './cookie.ts'
import { type Duration, durationOption } from './duration.ts'
import { ConfigError, must } from './errors.ts'
import { isObject } from './kinds.ts'
import { checkIdleTimeout } from './limits.ts'
import { DataChecker, type DataSchema } from './schema.ts'
import type { SessionStore, TouchRule, UserLimit } from './store.ts'

/** What an application configures. Every option but `store` has a default. */
export interface SessionsOptions {
  /** Where sessions are kept: `redisStore(client)`, or `memoryStore()` for development and tests. */
  store: SessionStore
  /** A session ends after this long without activity. Default `'30m'`. */
  idleTimeout?: Duration
  /** A session ends this long after it began, whatever the activity. Default `'12h'`. */
  lifetime?: Duration
  /**
   * The idle expiry is extended at most this often, so that most reads write nothing, and most writes nothing else; `0`: on every request. A session may
   * end up to this much earlier than `idleTimeout` after its last request. Default: the smaller of 60 s and a twentieth of
   * the session's idle timeout. Never more than half of it.
   */
  touchInterval?: Duration
  /** Every call to the store is answered or fails within this time. Default `'1s'`. */
  storeTimeout?: Duration
  /** After a rotation, requests already on their way with the old token are still served for this long. Default `'10s'`. */
  rotationGrace?: Duration
  /** How long a rotated token is remembered, so that its use can be told from an unknown one. Default `'1h'`. */
  reuseWindow?: Duration
  /** A session gets a new token this long after it got the last one, with the request that finds it due. Default: never. */
  rotateEvery?: Duration
  /**
   * Whether the use of a token that was rotated away, after its grace, ends the session that it once led to. Off by default: a
   * lost answer looks the same as a stolen token. The event `reuse` is told in either case.
   */
  revokeOnReuse?: boolean
  /** How many sessions one user may have. Default `{ limit: 100, whenFull: 'evict-oldest' }`; a number is that limit. */
  maxPerUser?: number | Partial<UserLimit>
  /**
   * How many bytes of UTF-8 the value of one field may take, encoded. Every read of a session fetches all of it. Default
   * 1,048,576.
   */
  maxValueBytes?: number
  cookie?: CookieOptions
  /**
   * What a login keeps of the client's address, for the list of devices: `'truncated'` (the network: IPv4 /24, IPv6 /48),
   * `'none'` or `'full'`. Default `'truncated'`.
   */
  address?: AddressMode
  /**
   * Checks and types the data: any Standard Schema (zod, valibot, arktype) that is synchronous and accepts `{}`. Data that does
   * not fit is a `DataError` (`ERR_DATA_INVALID`) where it is read or written, never when a session is loaded or logged out.
   */
  schema?: DataSchema
  /** Brings data that no longer fits the schema up to date. Gets a copy as stored; what it returns is written with the next commit. */
  migrate?: (data: Record<string, unknown>) => unknown
  /**
   * Goes on with sessions that another library has begun: a request without a session of ours, whose old cookie is right, is
   * served as of the old session, which becomes one of ours. See `expressSessionCookie` in `coatcheck/from-express-session`.
   */
  adopt?: Adoption
}

/** The options, read, checked and completed. Times in milliseconds. */
export interface Settings {
  readonly store: SessionStore
  readonly idleTimeout: number
  readonly lifetime: number
  readonly touch: TouchRule
  readonly storeTimeout: number
  readonly rotationGrace: number
  readonly reuseWindow: number
  readonly rotateEvery: number | null
  readonly revokeOnReuse: boolean
  readonly address: AddressMode
  readonly maxPerUser: UserLimit
  readonly maxValueBytes: number
  readonly cookie: SessionCookie
  readonly checker: DataChecker | null
  readonly adopt: Adoption | null
}

/** What a store has to have. */
const METHODS = (
  'load touch write commit update create rotate seal release destroy listUser revokeUser setUserRoles revokeLogins partition ' +
  'timeToLive count countUsers countByIdleAge recent subscribe now close'
).split(' ') as (keyof SessionStore)[]

type DurationName = 'lifetime' | 'storeTimeout' | 'rotationGrace' | 'reuseWindow'

/** @throws ConfigError naming the option that is wrong. */
export function readOptions(options: SessionsOptions): Settings {
  must(isObject(options), 'createSessions needs an options object.')
  const { store, maxValueBytes = 1_048_576, address = 'truncated', adopt } = options
  must(
    METHODS.every((method) => typeof store?.[method] === 'function'),
    'store must be a session store: redisStore(client), or memoryStore() for development.',
  )
  must(['truncated', 'none', 'full'].includes(address), "address must be 'truncated', 'none' or 'full'.")
  must(
    adopt === undefined || typeof adopt?.takeOver === 'function',
    'adopt must be an adoption, such as expressSessionCookie({ store, secret }).',
  )
  const duration = (name: DurationName, byDefault: Duration, least?: number) =>
    durationOption(options[name] ?? byDefault, name, least)
  const lifetime = duration('lifetime', '12h')
  const idleTimeout = checkIdleTimeout(options.idleTimeout ?? '30m', lifetime, ConfigError)
  return {
    store,
    idleTimeout,
    lifetime,
    touch: touchRule(options.touchInterval),
    storeTimeout: duration('storeTimeout', '1s'),
    rotationGrace: duration('rotationGrace', '10s', 0),
    reuseWindow: duration('reuseWindow', '1h', 0),
    rotateEvery: options.rotateEvery === undefined ? null : durationOption(options.rotateEvery, 'rotateEvery'),
    revokeOnReuse: options.revokeOnReuse ?? false,
    address,
    maxPerUser: userLimit(options.maxPerUser),
    maxValueBytes: wholeNumber(maxValueBytes, 'maxValueBytes'),
    cookie: new SessionCookie(options.cookie),
    checker: options.schema === undefined ? null : new DataChecker(options.schema, options.migrate),
    adopt: adopt ?? null,
  }
}

function wholeNumber(option: number, name: string): number {
  must(Number.isSafeInteger(option) && option > 0, `${name} must be a whole number above 0.`)
  return option
}

function userLimit(option: SessionsOptions['maxPerUser'] = {}): UserLimit {
  const given = typeof option === 'number' ? { limit: option } : option
  must(isObject(given), "maxPerUser must be a number, or such as { limit: 5, whenFull: 'refuse' }.")
  const { limit = 100, whenFull = 'evict-oldest' } = given
  must(['evict-oldest', 'refuse'].includes(whenFull), "maxPerUser.whenFull must be 'evict-oldest' or 'refuse'.")
  return { limit: wholeNumber(limit, 'maxPerUser'), whenFull }
}

/** @throws ConfigError */
export function touchRule(touchInterval: Duration | undefined): TouchRule {
  if (touchInterval === undefined) return { longest: 60_000, parts: 20 }
  return { longest: durationOption(touchInterval, 'touchInterval', 0), parts: 2 }
}

/** How often a session with this idle timeout is touched, in milliseconds. */
export function touchEvery({ touch }: Pick<Settings, 'touch'>, idleTimeout: number): number {
  return Math.min(touch.longest, idleTimeout / touch.parts)
}
