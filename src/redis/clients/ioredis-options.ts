import { ConfigError } from '../../core/errors.ts'

/** The options of an ioredis or iovalkey client that matter here. */
export interface IoredisOptions {
  readonly autoResendUnfulfilledCommands?: unknown
  readonly enableAutoPipelining?: unknown
  readonly keyPrefix?: unknown
  readonly stringNumbers?: unknown
  readonly replyMapping?: unknown
  readonly readOnly?: unknown
  readonly role?: unknown
  readonly sentinels?: unknown
  readonly failoverDetector?: unknown
}

interface Refusal {
  readonly isUnsafe: (value: unknown, options: IoredisOptions) => boolean
  readonly instead: string
  readonly because: string
}

const isSet = (value: unknown) => Boolean(value)

/** All others only decide how the client connects, or concern commands that wait in its queue, where none of ours does. */
const REFUSED: Record<Exclude<keyof IoredisOptions, 'sentinels'>, Refusal> = {
  autoResendUnfulfilledCommands: {
    isUnsafe: (value) => value !== false,
    instead: 'autoResendUnfulfilledCommands: false',
    because: 'by default, what has no answer when the connection is lost is sent again, and an increment counts twice',
  },
  enableAutoPipelining: {
    isUnsafe: isSet,
    instead: 'enableAutoPipelining: false',
    because: 'a command held back for a pipeline may be sent after its deadline',
  },
  keyPrefix: {
    isUnsafe: isSet,
    instead: "no keyPrefix, but redisStore(client, { prefix: 'shop:' })",
    because: 'iovalkey leaves it out of some commands, and no key would be where it is said to be',
  },
  stringNumbers: {
    isUnsafe: isSet,
    instead: 'stringNumbers: false',
    because: 'integers in replies are told from strings',
  },
  replyMapping: {
    isUnsafe: (value) => value === 'resp3',
    instead: "replyMapping: 'legacy'",
    because: 'the fields of a session have to come as Redis gives them',
  },
  readOnly: { isUnsafe: isSet, instead: 'readOnly: false', because: 'a replica is behind, and takes no writes' },
  role: {
    isUnsafe: (value) => value === 'slave',
    instead: "role: 'master'",
    because: 'a replica is behind, and takes no writes',
  },
  failoverDetector: {
    isUnsafe: (value, { sentinels }) => sentinels != null && value !== true,
    instead: 'failoverDetector: true',
    because: 'by default, after a failover in which the old master lives, writes go on there for seconds, and are lost',
  },
}

/**
 * @param within the option that holds these
 * @throws ConfigError that names every unsafe option, and what to set instead
 */
export function checkOptions(options: IoredisOptions, within?: string): void {
  const wrong = Object.entries(REFUSED).filter(([name, { isUnsafe }]) =>
    isUnsafe(options[name as keyof IoredisOptions], options),
  )
  if (wrong.length === 0) return
  const instead = wrong.map(([, refusal]) => `${refusal.instead} (${refusal.because})`)
  throw new ConfigError(
    `redisStore cannot use this client as it is configured. It needs${within ? ` in ${within}` : ''}: ${instead.join('; ')}. Where the application needs ` +
      'other options, give redisStore a client of its own: client.duplicate({ … }).',
  )
}
