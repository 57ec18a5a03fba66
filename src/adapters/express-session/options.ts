import { type Duration, durationOption } from '../../core/duration.ts'
import { ConfigError } from '../../core/errors.ts'
import { Operations } from '../../core/operations.ts'
import { readOptions, touchRule } from '../../core/options.ts'
import type { SessionStore, TouchRule } from '../../core/store.ts'
import { warnOnce } from '../../core/warn.ts'

/** How long sessions live. */
export interface LifeOptions {
  /** A session whose cookie ends with the browser (no `maxAge`) ends after this long without a request. Default `'1d'`. */
  ttl?: Duration
  /**
   * A session ends this long after it began, whatever the activity. Default: 400 days, or the cookie's `maxAge` at its
   * beginning if that is longer; a session of express-session has no such end, so nothing shorter would go unnoticed. Set it:
   * OWASP ASVS asks for an absolute end that fits the application, such as `'12h'`.
   */
  lifetime?: Duration
  /**
   * A request that would move the end of a session by less than this does not move it: nearly every read is one command then,
   * and a session may end that much earlier. At most half of the time that the session has. Default: the smaller of 60 s and a
   * twentieth of that time. 0: every request moves it, as with connect-redis.
   */
  touchInterval?: Duration
  /** Every call to Redis is answered or fails within this time. Default `'1s'`. */
  storeTimeout?: Duration
  /** How many bytes of UTF-8 one property of a session may take, encoded. Default 1,048,576. */
  maxValueBytes?: number
}

/** The options, read and checked. Times in milliseconds. */
export interface StoreSettings {
  readonly operations: Operations
  readonly ttl: number
  readonly lifetime: number | null
  readonly touch: TouchRule
}

/** Browsers keep no cookie for longer than 400 days (RFC 6265bis): after that nobody can come with it. */
export const LONGEST_COOKIE: number = 400 * 24 * 60 * 60 * 1000

/** What connect-redis was told, and what says the same here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  serializer: 'sessions are hashes of JSON values',
  scanCount: 'nothing is scanned',
  disableTTL: 'every session ends',
  disableTouch: "use touchInterval, such as '5m'",
}

/** @throws ConfigError naming the option that is wrong. */
export function readLifeOptions(options: LifeOptions, store: SessionStore): StoreSettings {
  for (const [name, instead] of Object.entries(ELSEWHERE)) {
    if (name in options) throw new ConfigError(`${name} is an option of connect-redis; remove it: ${instead}.`)
  }
  const { ttl = '1d', storeTimeout, maxValueBytes } = options
  const read: StoreSettings = {
    operations: new Operations(
      readOptions({
        store,
        ...(storeTimeout !== undefined && { storeTimeout }),
        ...(maxValueBytes !== undefined && { maxValueBytes }),
      }),
    ),
    ttl: durationOption(ttl, 'ttl'),
    lifetime: options.lifetime === undefined ? null : durationOption(options.lifetime, 'lifetime'),
    touch: touchRule(options.touchInterval),
  }
  if (options.ttl !== undefined && read.lifetime !== null && read.ttl > read.lifetime) {
    throw new ConfigError('ttl must not be longer than lifetime.')
  }
  if (typeof ttl === 'number' && ttl < 600_000) {
    warnOnce(
      'COATCHECK_SHORT_TTL',
      `ttl: ${ttl} is ${ttl} milliseconds. connect-redis counts seconds: say ttl: '${ttl}s' if that is meant.`,
    )
  }
  return read
}
