import { Itself } from './beside.ts'
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

/**
 * All that is kept beside a request: one thing, under a private name that is written here alone. As `createBeside` does it, but
 * several names that one function has made, read and added with each request, took V8 a tenth of the time to serve a visitor.
 */
class Request extends Itself {
  #mounted: Mounted

  constructor(request: object, mounted: Mounted) {
    super(request)
    this.#mounted = mounted
  }

  static mounted(request: object): Mounted | undefined {
    return #mounted in request ? request.#mounted : undefined
  }

  static mount(request: object, mounted: Mounted): void {
    // To look for it again costs more than to add it.
    if (mounted.before === undefined) new Request(request, mounted)
    else (request as Request).#mounted = mounted
  }
}

/**
 * Makes the session of a request known to `sessions.of`, and to guards, which are not told whose sessions they guard. With what was
 * mounted last so far in `before`.
 */
export const mount: (request: object, mounted: Mounted) => void = Request.mount

/** What was mounted on a request last: the others are before it. */
export const lastMounted: (request: object) => Mounted | undefined = Request.mounted

/** What these sessions have for a request, if the adapter has got as far. */
export function mountedOf(request: object, sessions: object): Mounted | undefined {
  let mounted = Request.mounted(request)
  while (mounted !== undefined && mounted.sessions !== sessions) mounted = mounted.before
  return mounted
}
