import { createBeside } from './beside.ts'
import type { RequestState } from './request-state.ts'
import type { Session } from './session.ts'

/** What one set of sessions has for a request. */
export interface Mounted {
  readonly sessions: object
  readonly state: RequestState
  readonly session: Session<never>
  /** That of another set of sessions, mounted before. */
  readonly before: Mounted | undefined
  /** What the adapter has to know again. */
  readonly note: object | undefined
}

const beside = createBeside<Mounted>()

/**
 * Makes the session of a request known to `sessions.of`, and to guards, which are not told whose sessions they guard. With what was
 * mounted last so far in `before`. It is all that is kept beside a request: to read and add more took V8 a tenth of the time to serve
 * a visitor.
 */
export const mount: (request: object, mounted: Mounted) => void = beside.set

/** What was mounted on a request last: the others are before it. */
export const lastMounted: (request: object) => Mounted | undefined = beside.get

/** What these sessions have for a request, if the adapter has got as far. */
export function mountedOf(request: object, sessions: object): Mounted | undefined {
  let mounted = lastMounted(request)
  while (mounted !== undefined && mounted.sessions !== sessions) mounted = mounted.before
  return mounted
}
