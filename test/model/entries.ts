import type { Handle, Listed, Rules } from './operations.ts'

// What the model keeps for a token.

export interface Living extends Details {
  readonly userId: string | null
  readonly createdAt: number
  readonly deadline: number
  readonly idleTimeout: number
  readonly lastAccessedAt: number
  readonly authenticatedAt: number | null
  readonly rotatedAt: number | null
  /** Whether a login that died has left a seal on it, lapsed by now. */
  readonly bearsSeal: boolean
  readonly data: ReadonlyMap<string, unknown>
}

/** What a login says of its user and device. */
export interface Details {
  readonly roles: readonly string[]
  readonly device: string | null
  readonly deviceId: string | null
  readonly ip: string | null
  /** Whether the browser keeps the cookie. */
  readonly remembered: boolean
}

/** What a rotation leaves under the old token. */
export interface Tombstone {
  readonly successor: Handle
  readonly graceUntil: number
  readonly expires: number
  /** Whether the old token has been used since the grace was over. */
  readonly reused: boolean
}

/** What a store is to hold for a token. */
export type Stored = Tombstone | { readonly expires: number; readonly sealed: boolean }

export function expiryOf({
  lastAccessedAt,
  idleTimeout,
  deadline,
}: Pick<Living, 'lastAccessedAt' | 'idleTimeout' | 'deadline'>): number {
  return Math.min(lastAccessedAt + idleTimeout, deadline)
}

/** As it is listed. */
export function listed(session: Handle, living: Living): Listed {
  const { data: _, rotatedAt: __, remembered: ___, bearsSeal: ____, ...rest } = living
  return { session, ...rest, expiresAt: expiryOf(living) }
}

/** How long after an access a load or a write counts as one again. */
export function touchEvery({ touchInterval }: Rules, idleTimeout: number): number {
  return touchInterval === undefined ? Math.min(60_000, idleTimeout / 20) : Math.min(touchInterval, idleTimeout / 2)
}
