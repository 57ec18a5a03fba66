import { notMounted } from '../core/errors.ts'
import { lastMounted, mountedOf } from '../core/mounted.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'

/** Whom a guard looks at. */
export interface Guarded<Data> {
  readonly session: Session<Data>
  /** The store's clock as far as this process knows it. */
  now(): number | null
}

/**
 * The session of a request, for a guard.
 * @param sessions which, if several are mounted; default: the one mounted last
 * @throws MountError when the request has not passed the adapter; StoreError when the session could not be read
 */
export function guardedOf<Data>(request: object, sessions?: Sessions<Data>): Guarded<Data> {
  const mounted = sessions === undefined ? lastMounted(request) : mountedOf(request, sessions)
  if (mounted === undefined) throw notMounted()
  const { state } = mounted
  // Neither "log in" nor "you may not": nobody knows who asks.
  state.mustBeRead() // guard: guards on an unread session
  const session = mounted.session as unknown as Session<Data>
  return { session, now: () => state.operations.settings.store.now(session.id ?? undefined) }
}
