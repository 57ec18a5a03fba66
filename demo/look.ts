import { withDeadline } from '../src/core/deadline.ts'
import type { SessionStore } from '../src/index.ts'
import { Keys } from '../src/redis/keys.ts'

/** A session as the store holds it. */
export interface SeenSession {
  /** The public id. It logs nobody in. */
  readonly session_id: string
  /** The key of its hash. */
  readonly key: string
  /** Every field of the hash, exactly as stored. */
  readonly session: Readonly<Record<string, string>>
  /** Seconds without activity after which it expires. */
  readonly configured_ttl: number
  /** Seconds left, to the millisecond. */
  readonly ttl: number
}

const keys = new Keys('session:')

/** Looks at a session without touching it; `null` if it has ended. */
export function lookAt(store: SessionStore, id: string): Promise<SeenSession | null> {
  return withDeadline(1000, 'look', async (call) => {
    const [record, left] = await Promise.all([store.load(id, null, call), store.timeToLive(id, call)])
    if (record === null || 'status' in record || left === null) return null
    return {
      session_id: record.id,
      key: keys.session(record.id),
      session: Object.fromEntries(record.fields),
      configured_ttl: record.idleTimeout / 1000,
      ttl: left / 1000,
    }
  })
}
