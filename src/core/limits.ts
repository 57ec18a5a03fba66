import { type Duration, milliseconds } from './duration.ts'
import { ArgumentError, type ConfigError, must } from './errors.ts'
import type { Settings } from './options.ts'

type Limits = Pick<Settings, 'idleTimeout' | 'lifetime'>

/** The limits of one session: those that are given, in place of the configured ones. @throws ArgumentError */
export function readLimits(
  { idleTimeout, lifetime }: { idleTimeout?: Duration; lifetime?: Duration },
  configured: Limits,
): Limits {
  const most = lifetime === undefined ? configured.lifetime : milliseconds(lifetime, 'lifetime')
  return {
    idleTimeout: checkIdleTimeout(idleTimeout ?? Math.min(configured.idleTimeout, most), most),
    lifetime: most,
  }
}

/** @throws ArgumentError, or what `Wrong` makes */
export function checkIdleTimeout(
  idleTimeout: Duration,
  lifetime: number,
  Wrong: typeof ArgumentError | typeof ConfigError = ArgumentError,
): number {
  const ms = milliseconds(idleTimeout, 'idleTimeout', 1, Wrong)
  must(ms <= lifetime, `idleTimeout must not be longer than the lifetime (${lifetime} ms).`, Wrong)
  return ms
}
