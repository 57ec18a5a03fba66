import { ConfigError } from '../../core/errors.ts'

/** Sessions that connect-redis has kept until now. */
export interface MigrateOptions {
  /** The `prefix` of connect-redis: `sess:` unless the application gave it another. */
  from: string
  /**
   * For the first of two deployments, as long as instances with connect-redis serve the same users: every session stays where
   * connect-redis keeps it. Without it, a session is taken over when it is first asked for. Default `false`.
   */
  rolling?: boolean
}

/** @throws ConfigError */
export function readMigrate(migrate: MigrateOptions, prefix: string): Required<MigrateOptions> {
  const { from, rolling = false } = typeof migrate === 'object' && migrate !== null ? migrate : ({} as MigrateOptions)
  if (typeof from !== 'string' || from === '') {
    throw new ConfigError("migrate.from must be the prefix of connect-redis, as in migrate: { from: 'sess:' }.")
  }
  if (prefix.startsWith(from)) {
    throw new ConfigError(
      `prefix must not begin with migrate.from ('${from}'): connect-redis would take the keys of this store for its own.`,
    )
  }
  if (typeof rolling !== 'boolean') throw new ConfigError('migrate.rolling must be true or false.')
  return { from, rolling }
}
