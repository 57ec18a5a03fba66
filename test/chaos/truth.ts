import { type Done, lastMoment, outcomeOf } from './history.ts'

/** A session as its history tells it. */
export interface Known {
  readonly label: string
  readonly user: string | null
  /** The request that began it. */
  readonly begun: Done
  /** The label of the session whose data it went on with. */
  readonly previous: string | null
  readonly tokens: string[]
  /** What ends it, or may. */
  readonly ends: Done[]
}

/** What must be so, and what may be so, after a history. */
export class Truth {
  readonly sessions = new Map<string, Known>()
  readonly #byToken = new Map<string, Known>()
  readonly #byUser = new Map<string, Known[]>()
  /** The rotations of a token, by the token. */
  readonly #rotations = new Map<string, Done[]>()
  readonly #grace: number
  readonly #cuts: readonly number[]

  /**
   * @param grace for how many ms a token is good after its rotation
   * @param cuts when all connections to Redis were broken
   */
  constructor(history: readonly Done[], grace: number, cuts: readonly number[]) {
    this.#grace = grace
    this.#cuts = cuts
    const inOrder = history.toSorted((a, b) => a.end - b.end)
    // A token is sent only after the answer that issued it.
    for (const done of inOrder) {
      if (done.op === 'begin' || done.op === 'login') this.#begin(done)
      if (done.op === 'rotate') this.#rotate(done)
    }
    for (const done of inOrder) if (outcomeOf(done) !== 'refused') this.#end(done)
  }

  of(token: string | null): Known | undefined {
    return token === null ? undefined : this.#byToken.get(token)
  }

  ofUser(user: string): readonly Known[] {
    return this.#byUser.get(user) ?? []
  }

  get users(): Iterable<string> {
    return this.#byUser.keys()
  }

  /** The session that a session's data began in. */
  rootOf(known: Known): string {
    const previous =
      known.previous === null || !this.hasTakenOver(known.begun) ? undefined : this.sessions.get(known.previous)
    return previous === undefined ? known.label : this.rootOf(previous)
  }

  /** Whether a session has been acknowledged to have begun by then. */
  hasBegun({ begun }: Known, at: number): boolean {
    return outcomeOf(begun) === 'done' && begun.end < at
  }

  /**
   * Whether a login has ended the session before. One that cannot learn whether it has, after two attempts, stands all the same: it
   * has met a deadline, or lost its connection twice.
   */
  hasTakenOver({ begin, end }: Done): boolean {
    return end - begin < DEADLINE && this.#cuts.filter((at) => at > begin && at < end).length < 2
  }

  /** Whether its end has been acknowledged by then. */
  hasEnded(known: Known, at: number): boolean {
    return known.ends.some((end) => outcomeOf(end) === 'done' && end.end < at && this.#isSure(end, known))
  }

  /** Whether it may be over by then, by all that is known. */
  mayHaveEnded(known: Known, at: number, but?: Done): boolean {
    return known.ends.some((end) => end !== but && end.begin < at)
  }

  /** Whether a token is good for sure until then: nobody has begun to replace it, or the grace lasts. */
  isGood(token: string, at: number): boolean {
    return (this.#rotations.get(token) ?? []).every(({ begin }) => at < begin + Math.max(0, this.#grace - MARGIN))
  }

  /** Whether a request that was done has ended this session, and not only may have. */
  #isSure(end: Done, { begun }: Known): boolean {
    if (end.op === 'login') return this.hasTakenOver(end)
    if (end.op !== 'revokeAll' && end.op !== 'revokeOthers') return true
    // A login under way may come after it.
    return outcomeOf(begun) === 'done' && begun.end < end.begin
  }

  #begin(done: Done): void {
    const { label = '', op, user = null } = done
    const outcome = outcomeOf(done)
    const before = this.of(done.token)
    const previous = outcome === 'done' ? (done.answer.previous ?? null) : null
    const known: Known = { label, user: op === 'login' ? user : null, begun: done, previous, tokens: [], ends: [] }
    this.sessions.set(label, known)
    if (known.user !== null) this.#byUser.set(known.user, [...this.ofUser(known.user), known])
    this.#hasToken(known, done.issued)
    // It takes the place of the one before.
    if (op === 'login' && outcome !== 'refused') before?.ends.push(done)
  }

  #hasToken(known: Known, token: string | null): void {
    if (token === null) return
    known.tokens.push(token)
    this.#byToken.set(token, known)
  }

  #rotate(done: Done): void {
    const known = this.of(done.token)
    if (known === undefined || done.token === null || outcomeOf(done) === 'refused') return
    this.#rotations.set(done.token, [...(this.#rotations.get(done.token) ?? []), done])
    this.#hasToken(known, done.issued)
  }

  #end(done: Done): void {
    const known = this.of(done.token)
    const ofUser = () => this.ofUser(known?.user ?? '').filter(({ begun }) => begun.begin < lastMoment(done))
    if (done.op === 'logout') known?.ends.push(done)
    if (done.op === 'revoke') this.sessions.get(done.target ?? '')?.ends.push(done)
    if (done.op === 'revokeAll') for (const each of ofUser()) each.ends.push(done)
    if (done.op === 'revokeOthers') for (const each of ofUser()) if (each !== known) each.ends.push(done)
  }
}

/** Of one call to the store, in ms. */
const DEADLINE = 1000
/** What clocks and a busy machine may add, in ms. */
const MARGIN = 500
