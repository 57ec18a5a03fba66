// What the load of the chaos programs asked, and what it was told: all that the checker knows of it.

/** What an application under chaos can be asked to do. */
export type Op =
  | 'begin'
  | 'login'
  | 'read'
  | 'write'
  | 'increment'
  | 'append'
  | 'rotate'
  | 'devices'
  | 'revoke'
  | 'revokeOthers'
  | 'revokeAll'
  | 'logout'
  | 'guarded'
  | 'setRoles'

/** What the application answered, as JSON. Every session has a label of its own, made by the load, in its data and as its device. */
export interface Answer {
  /** The label of the session that served the request; `null`: none. */
  readonly label?: string | null
  readonly id?: string | null
  readonly user?: string | null
  readonly roles?: readonly string[]
  readonly data?: Readonly<Record<string, unknown>>
  /** Of an increment. */
  readonly value?: number
  /** Labels of the user's sessions. */
  readonly devices?: readonly (string | null)[]
  /** Of a revocation: whether there was such a session. */
  readonly found?: boolean
  /** Of a login: the label of the session before, whose data goes on in the new one. */
  readonly previous?: string | null
  readonly error?: string
  readonly outcome?: string
  /** Of a failure: whether it came before the handler. */
  readonly early?: boolean
}

/** One request. Times are those of the load's own clock, which no other is compared with. */
export interface Done {
  readonly op: Op
  /** Sent as the cookie. */
  readonly token: string | null
  /** Of `begin` and `login`: the new session's label. */
  readonly label?: string
  /** Of `login`, and of everything done as a user. */
  readonly user?: string
  /** Of `revoke`: the label of the session to end. */
  readonly target?: string
  readonly field?: string
  /** What was to be written; no two requests write the same. */
  readonly value?: string
  /** Of `setRoles`. */
  readonly roles?: readonly string[]
  readonly begin: number
  readonly end: number
  /** `null`: no answer came. */
  readonly status: number | null
  readonly answer: Answer
  /** The token that the answer handed out. */
  readonly issued: string | null
}

/** `done`: acknowledged. `refused`: the answer says that nothing was done. */
export type Outcome = 'done' | 'refused' | 'unknown'

export function outcomeOf({ op, status, answer }: Done): Outcome {
  if (status === 200) return op === 'revoke' && answer.found === false ? 'refused' : 'done'
  if (status === 401 || status === 403) return 'refused'
  if (status !== 503) return 'unknown'
  // Refused while the session was read: the handler has not run.
  if (answer.early) return 'refused'
  // A login takes several steps, of which this is the last one's.
  return answer.outcome === 'none' && op !== 'login' ? 'refused' : 'unknown'
}

/** When nothing of a request can happen any more. */
export function lastMoment(done: Done): number {
  return outcomeOf(done) === 'unknown' ? Number.POSITIVE_INFINITY : done.end
}
