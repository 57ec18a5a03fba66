// The vocabulary of the model test: the API, for whoever can do it (the model at once, a store in time).

/** A session by its place among all the tokens that have been handed out: the first is 0. */
export type Handle = number

/** Whose session an operation is about: that of a token (or id) handed out, or of a text that nobody was ever given. */
export type Who = Handle | string

/** A request by its place among all that have been opened. */
export interface Visit {
  readonly nth: number
}

export type Data = Record<string, unknown>

/** How sessions are configured. Times here and below in milliseconds. */
export interface Rules {
  readonly idleTimeout: number
  readonly lifetime: number
  readonly touchInterval?: number
  readonly rotationGrace: number
  readonly reuseWindow: number
  readonly rotateEvery?: number
  readonly revokeOnReuse: boolean
  /** Whether the store keeps the indexes that `recent` needs. */
  readonly monitoring: boolean
  readonly maxPerUser: { readonly limit: number; readonly whenFull: 'evict-oldest' | 'refuse' }
}

/** How one session begins, where it differs. */
export interface Beginning {
  readonly userId?: string
  readonly roles?: readonly string[]
  readonly device?: string
  readonly deviceId?: string
  readonly idleTimeout?: number
  readonly lifetime?: number
}

/** What a login says. */
export interface Login {
  readonly roles?: readonly string[]
  readonly device?: string
  readonly deviceId?: string
  readonly data?: 'keep' | 'drop'
  readonly remember?: { readonly idleTimeout?: number; readonly lifetime?: number }
}

/** A session as it is listed. */
export interface Listed {
  readonly session: Handle
  readonly userId: string | null
  readonly createdAt: number
  readonly lastAccessedAt: number
  readonly idleTimeout: number
  readonly deadline: number
  readonly expiresAt: number
  readonly roles: readonly string[]
  readonly authenticatedAt: number | null
  readonly device: string | null
  readonly deviceId: string | null
  readonly ip: string | null
}

/** A session as it is read. */
export interface Seen extends Listed {
  readonly data: Data
}

/** What the response to a request owes the browser: a token, and whether the browser keeps it over its own end. */
export type Cookie = null | 'clear' | { readonly session: Handle; readonly kept: boolean }

/** How a request stands after something was done in it. */
export interface Standing {
  readonly returned: unknown
  readonly cookie: Cookie
  /** The token that it came with led to no session. */
  readonly ended: boolean
  readonly session: Handle | null
  readonly userId: string | null
  readonly roles: readonly string[]
  readonly authenticatedAt: number | null
  readonly expiresAt: number | null
  readonly data: Data
}

/** What was told of a session as it happened. */
export interface Told {
  readonly type: string
  readonly cause: string
  readonly session: Handle | null
  readonly previous: Handle | null
}

export interface Stats {
  readonly active: number
  readonly guests: number
  readonly members: number
  readonly users: number
}

/** Without a request. */
interface Outside {
  create(data: Data, beginning: Beginning): Handle
  load(who: Who): Seen | null
  peek(who: Who): Seen | null
  touch(who: Who): boolean
  set(who: Who, data: Data): void
  update(who: Who, field: string, change: (current: unknown) => unknown): unknown
  increment(who: Who, field: string, by: number): number
  setIdleTimeout(who: Who, idleTimeout: number): void
  timeToLive(who: Who): number | null
  /** `token`: whether there was a new one to hand out. */
  rotate(who: Who): { token: boolean; session: Handle }
  destroy(who: Who): boolean
  find(who: Who): Seen | null
  revoke(who: Who): boolean
  count(): number
  stats(): Stats
  recent(limit: number): Listed[]
  /** All of them, page by page. */
  pages(limit: number): Listed[]
}

/** For one user, or everyone. */
interface OfUsers {
  listOf(userId: string): Listed[]
  revokeOf(userId: string, who: Who): boolean
  revokeDeviceOf(userId: string, deviceId: string): number
  revokeOthersOf(userId: string, who: Who): number
  revokeAllOf(userId: string): number
  setRolesOf(userId: string, roles: readonly string[]): number
  revokeEveryone(): number
  /** While all of a user's sessions are given roles, or ended (`null`), one more begins. */
  joined(userId: string, roles: readonly string[] | null): { begun: Outcome; changed: number }
}

/** In a request. Others may come in between. */
export interface InRequests {
  open(who: Who): Standing
  write(visit: Visit, data: Data): Standing
  login(visit: Visit, userId: string, options: Login): Standing
  setRoles(visit: Visit, roles: readonly string[]): Standing
  rotateHere(visit: Visit): Standing
  logout(visit: Visit): Standing
  devices(visit: Visit): Standing
  revokeMine(visit: Visit, who: Who): Standing
  revokeMyDevice(visit: Visit, deviceId: string): Standing
  revokeMyOthers(visit: Visit): Standing
  revokeAllMine(visit: Visit): Standing
  /** The end of the request: what it has changed is written. */
  answer(visit: Visit): Standing
}

/** What only logins do, step by step. */
interface Seals {
  /** Seals a session, has everybody else try what they can, and gives it back: what they were told. */
  held(who: Who): string[]
  /** Seals a session as a login does which then dies. Returns whether there was one. */
  abandon(who: Who): boolean
  /** That login goes on after all. Returns what it was told. */
  release(): string
}

export interface Operations extends Outside, OfUsers, InRequests, Seals {}

/** The same by a store. */
export type InTime<Methods> = {
  [Name in keyof Methods]: Methods[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Result>
    : never
}

/** What became of an operation. */
export type Outcome = { readonly returned: unknown } | { readonly code: string; readonly field: string | undefined }

/** An error that an operation is to end with. */
export class Refused extends Error {
  readonly code: string
  readonly field: string | undefined

  constructor(code: string, field?: string) {
    super(code)
    this.code = code
    this.field = field
  }
}

/** Runs an operation that is done at once. */
export function outcomeNow(run: () => unknown): Outcome {
  try {
    return { returned: run() }
  } catch (error) {
    return refusal(error)
  }
}

/** Runs an operation; an error without a code is nobody's to expect. */
export async function outcomeOf(run: () => unknown): Promise<Outcome> {
  try {
    return { returned: await run() }
  } catch (error) {
    return refusal(error)
  }
}

function refusal(error: unknown): Outcome {
  const { code, field } = error as Refused
  if (code === undefined || code.startsWith('ERR_ASSERTION')) throw error
  return { code, field }
}
