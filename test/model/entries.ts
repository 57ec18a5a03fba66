import type { Handle, Rules } from './operations.ts'

// What the model keeps for a token.

export interface Living {
  readonly userId: string | null
  readonly createdAt: number
  readonly deadline: number
  lastAccessedAt: number
  idleTimeout: number
  data: Map<string, unknown>
}

/** What a rotation leaves under the old token. */
export interface Tombstone {
  readonly successor: Handle
  readonly graceUntil: number
  readonly expires: number
}

/** What a store is to hold for a token. */
export type Stored = Tombstone | { readonly expires: number }

export function expiryOf({ lastAccessedAt, idleTimeout, deadline }: Living): number {
  return Math.min(lastAccessedAt + idleTimeout, deadline)
}

/** How long after an access a load counts as one again. */
export function touchEvery({ touchInterval }: Rules, idleTimeout: number): number {
  return touchInterval === undefined ? Math.min(60_000, idleTimeout / 20) : Math.min(touchInterval, idleTimeout / 2)
}
