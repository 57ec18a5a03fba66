// The vocabulary of the model test: the API without a request, for whoever can do it (the model at once, a store in time).

/** A session by its place among all the tokens that have been handed out: the first is 0. */
export type Handle = number

/** Whose session an operation is about: that of a token (or id) handed out, or of a text that nobody was ever given. */
export type Who = Handle | string

export type Data = Record<string, unknown>

/** How sessions are configured. Times here and below in milliseconds. */
export interface Rules {
  readonly idleTimeout: number
  readonly lifetime: number
  readonly touchInterval?: number
  readonly rotationGrace: number
  readonly reuseWindow: number
  /** Whether the store keeps the indexes that `recent` needs. */
  readonly monitoring: boolean
  readonly maxPerUser: { readonly limit: number; readonly whenFull: 'evict-oldest' | 'refuse' }
}

/** How one session begins, where it differs. */
export interface Beginning {
  readonly userId?: string
  readonly idleTimeout?: number
  readonly lifetime?: number
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
}

/** A session as it is read. */
export interface Seen extends Listed {
  readonly data: Data
}

export interface Operations {
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
  recent(limit: number): Listed[]
}

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

/** Runs an operation; an error without a code is nobody's to expect. */
export async function outcomeOf(run: () => unknown): Promise<Outcome> {
  try {
    return { returned: await run() }
  } catch (error) {
    const { code, field } = error as Refused
    if (code === undefined || code.startsWith('ERR_ASSERTION')) throw error
    return { code, field }
  }
}
