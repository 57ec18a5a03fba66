import type { StoreCall } from '../../core/store.ts'
import type { Server } from '../clients/connection.ts'
import { ReplyError, storeError } from '../errors.ts'
import type { Keys } from '../keys.ts'
import { toMap } from '../runner.ts'
import { askRights, type Rights } from './rights.ts'

/** What a server says of itself. `null`: it does not tell this user. */
export interface Facts {
  /** The answer to `INFO`. */
  readonly info: ReadonlyMap<string, string> | null
  /** The answer to `CONFIG GET`. */
  readonly config: ReadonlyMap<string, string> | null
  /** The answer to `CLUSTER INFO`; also `null` for a server that is in no cluster. */
  readonly cluster: ReadonlyMap<string, string> | null
  /** What this user may not do. */
  readonly rights: Rights | null
}

const CONFIG = [
  'save',
  'appendfsync',
  'stop-writes-on-bgsave-error',
  'hash-max-listpack-value',
  'hash-max-listpack-entries',
  'cluster-require-full-coverage',
]

/**
 * Asks a server for all of it, in two round trips. What it refuses is no failure.
 * @throws the client's error when it does not answer
 */
export async function look(server: Server, keys: Keys, call: StoreCall): Promise<Facts> {
  const rights = await orNull(askRights(server, keys, call))
  const ask = (words: readonly string[], isRefused?: boolean) =>
    isRefused ? Promise.resolve(null) : orNull(server.send(words, call))
  const [info, config, cluster] = await Promise.all([
    ask(['INFO'], rights?.optional.includes('+info')),
    ask(['CONFIG', 'GET', ...CONFIG], rights?.curious.has('config')),
    ask(['CLUSTER', 'INFO'], rights?.curious.has('cluster')),
  ])
  return {
    rights,
    info: info === null ? null : linesOf(info),
    config: config === null ? null : toMap(config),
    cluster: cluster === null ? null : linesOf(cluster),
  }
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    const failure = storeError(error)
    // To be let in at all is more than a matter of rights, and what cannot serve just now does not tell either.
    const isRefused = failure instanceof ReplyError && failure.code === 'ERR_STORE_REPLY'
    if (isRefused && failure.word !== 'NOAUTH') return null // guard: refused questions
    throw error
  }
}

/** `name:value`, one a line. */
function linesOf(text: unknown): Map<string, string> {
  return new Map(
    String(text)
      .split(/\r?\n/)
      .flatMap((line) => {
        const [, name, value] = /^([^#:]+):(.*)$/.exec(line) ?? []
        return name === undefined ? [] : [[name, value ?? ''] as const]
      }),
  )
}
