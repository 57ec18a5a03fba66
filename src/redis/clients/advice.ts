import { ConfigError } from '../../core/errors.ts'
import { warnOnce } from '../../core/warn.ts'

/** The options of a node-redis client that matter here. */
export interface NodeRedisOptions {
  readonly readonly?: unknown
  readonly socket?: { readonly reconnectStrategy?: unknown; readonly socketTimeout?: unknown } | undefined
}

/** The options of ioredis and iovalkey by which a client decides whether to connect again. */
export interface IoredisRetries {
  readonly retryStrategy?: unknown
  readonly sentinels?: unknown
  readonly sentinelRetryStrategy?: unknown
}

/**
 * What a strategy of one's own answers is not known here: to ask it might do something.
 * @param at where these options are, such as `defaults.` of a cluster
 * @throws ConfigError for a client that reads from a replica
 */
export function adviseNodeRedis(options: NodeRedisOptions | undefined, at = ''): void {
  if (options?.readonly) {
    throw new ConfigError(
      `redisStore cannot use a client with ${at}readonly: a replica is behind, and takes no writes. Leave it out.`,
    )
  }
  const { reconnectStrategy, socketTimeout } = options?.socket ?? {}
  if (reconnectStrategy === false) {
    closes(`${at}socket.reconnectStrategy: false`, 'its connection is lost', STRATEGY)
  } else if (socketTimeout && reconnectStrategy === undefined) {
    const when = `nothing was asked for ${socketTimeout} ms, or Redis takes so long to answer`
    closes(`${at}socket.socketTimeout without a socket.reconnectStrategy`, when, `leave it out, or ${STRATEGY}`)
  }
}

const STRATEGY = 'set socket.reconnectStrategy to a number of milliseconds, or to a function that returns one'

export function adviseIoredis({ retryStrategy, sentinels, sentinelRetryStrategy }: IoredisRetries): void {
  if (!isStrategy(retryStrategy)) closes('retryStrategy', 'its connection is lost', LEAVE_OUT)
  if (sentinels != null && !isStrategy(sentinelRetryStrategy)) {
    closes('sentinelRetryStrategy', 'no Sentinel answers', LEAVE_OUT)
  }
}

export function adviseIoredisCluster({ clusterRetryStrategy }: { readonly clusterRetryStrategy?: unknown }): void {
  if (!isStrategy(clusterRetryStrategy)) closes('clusterRetryStrategy', 'no server of the cluster answers', LEAVE_OUT)
}

const LEAVE_OUT = 'leave it out, or give a function that returns milliseconds'

/** By default they are functions. */
function isStrategy(value: unknown): boolean {
  return typeof value === 'function'
}

function closes(option: string, when: string, instead: string): void {
  warnOnce(
    'COATCHECK_CLIENT_CLOSES',
    `With ${option} this Redis client closes for good when ${when}: every request then fails until the process is started again. ` +
      `${instead[0]?.toUpperCase()}${instead.slice(1)}.`,
    option,
  )
}
