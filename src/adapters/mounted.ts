import { createBeside } from '../core/beside.ts'
import { notMounted } from '../core/errors.ts'
import type { Subject } from '../core/guards.ts'
import type { RequestState } from '../core/request-state.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'

/** One set of sessions that an adapter has mounted on a request. */
interface Mounted {
  readonly sessions: Sessions<never>
  readonly state: RequestState
}

const mounted = createBeside<Mounted[]>()

/** For adapters: makes the session of a request known to guards, which are not told whose sessions they guard. */
export function rememberMounted<Data>(request: object, sessions: Sessions<Data>, state: RequestState): void {
  const entry = { sessions, state } as unknown as Mounted
  const before = mounted.get(request)
  if (before === undefined) mounted.set(request, [entry])
  else before.push(entry)
}

/** For adapters: the state of these sessions on a request, if the adapter has got as far. */
export function mountedState(request: object, sessions: object): RequestState | undefined {
  return mounted.get(request)?.find((each) => Object.is(each.sessions, sessions))?.state
}

/** Whom a guard looks at. */
export interface Guarded<Data> {
  readonly session: Session<Data>
  /** Not a getter: V8 makes a hidden class for each object that is written with one. */
  subject(): Subject
}

/**
 * The session of a request, for a guard.
 * @param sessions which, if several are mounted; default: the one mounted last
 * @throws MountError when the request has not passed the adapter; StoreError when the session could not be read
 */
export function guardedOf<Data>(request: object, sessions?: Sessions<Data>): Guarded<Data> {
  const entry = mounted.get(request)?.findLast((each) => sessions === undefined || Object.is(each.sessions, sessions))
  if (entry === undefined) throw notMounted()
  // Neither "log in" nor "you may not": nobody knows who asks.
  entry.state.mustBeRead() // guard: guards on an unread session
  const session = entry.sessions.of(request) as unknown as Session<Data>
  const { store } = entry.state.operations.settings
  return {
    session,
    subject() {
      const { id, userId, roles, authenticatedAt } = session
      return { userId, roles, authenticatedAt, now: () => store.now(id ?? undefined) }
    },
  }
}
