import { ConfigError, StoreError } from '../../core/errors.ts'
import type { StoreCall } from '../../core/store.ts'
import type { Server } from '../clients/connection.ts'
import { isReply, ReplyError, storeError } from '../errors.ts'
import type { Keys } from '../keys.ts'
import { Barrier, NotAcknowledged } from './barrier.ts'

/** Of what is left until a call's deadline: so long replicas have, and so long their master has to say how many have it. */
const FOR_REPLICAS = 0.85
const FOR_MASTER = 0.95

/** @throws ConfigError */
export function replicasToWaitFor(
  howMany: number,
  keys: Keys,
  onCommand?: (words: readonly string[]) => void,
): Replicas | null {
  if (!Number.isSafeInteger(howMany) || howMany < 0) {
    throw new ConfigError('waitForReplicas must be a number of replicas: 0, 1, 2, …')
  }
  return howMany === 0 ? null : new Replicas(howMany, keys, onCommand)
}

/** Waits until replicas have what has been done at a master. */
export class Replicas {
  readonly #howMany: number
  readonly #keys: Keys
  readonly #onCommand: ((words: readonly string[]) => void) | undefined
  readonly #barriers = new Map<Server, Barrier>()

  constructor(howMany: number, keys: Keys, onCommand?: (words: readonly string[]) => void) {
    this.#howMany = howMany
    this.#keys = keys
    this.#onCommand = onCommand
  }

  /**
   * To be called in the turn in which the answer came: who answers later may be another process.
   * @param key one that it was done to
   * @throws StoreError `ERR_STORE_REPLICAS`: it was done, and may be lost
   */
  async acknowledged(server: Server, key: string, call: StoreCall): Promise<void> {
    const { remaining } = call
    const until = performance.now() + remaining * FOR_REPLICAS
    try {
      await within(remaining * FOR_MASTER, this.#barrierOf(server).pass(this.#keys.wait(key), until, call))
    } catch (error) {
      throw unacknowledged(error) // guard: acknowledged
    }
  }

  close(): void {
    for (const barrier of this.#barriers.values()) barrier.close()
  }

  #barrierOf(server: Server): Barrier {
    let barrier = this.#barriers.get(server)
    if (barrier === undefined) {
      // Servers come and go.
      for (const [other, { isIdle }] of this.#barriers) if (isIdle) this.#barriers.delete(other)
      barrier = new Barrier(server, this.#howMany, this.#onCommand)
      this.#barriers.set(server, barrier)
    }
    return barrier
  }
}

async function within<T>(ms: number, doing: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NotAcknowledged('the replicas have not acknowledged it in time')), ms)
  })
  try {
    return await Promise.race([doing, late])
  } finally {
    clearTimeout(timer)
  }
}

function unacknowledged(error: unknown): StoreError {
  return new StoreError(
    'ERR_STORE_REPLICAS',
    `It was done, but ${reasonOf(error)}: a failover may undo it.`,
    'unknown',
    error,
  )
}

function reasonOf(error: unknown): string {
  if (error instanceof NotAcknowledged) return error.message
  const failure = storeError(error)
  if (isReply(failure, 'NOPERM')) return 'the Redis user lacks a right that waitForReplicas needs (+wait, +info)'
  if (failure instanceof ReplyError) return `the wait for replicas failed with ${failure.word}`
  return 'there is no connection of its own to wait for replicas'
}
