import { type Details, expiryOf, type Living, type Stored, type Tombstone, touchEvery } from './entries.ts'
import { type Handle, Refused, type Rules, type Told, type Who } from './operations.ts'

/** A session to begin. */
interface Begun extends Details {
  readonly userId: string | null
  readonly idleTimeout: number
  readonly lifetime: number
  readonly data: ReadonlyMap<string, unknown>
}

/** What the model keeps: sessions are objects in a list, and time is a number. */
export class Kept {
  now = 0
  readonly rules: Rules
  /** The session that a login which died has sealed; for less than it takes to travel. */
  protected sealed: Handle | null = null
  readonly #entries: (Living | Tombstone | null)[] = []
  /** When users were last logged out everywhere; everyone under no name. */
  readonly #since = new Map<string, number>()
  /** What has been told since somebody asked. */
  #told: Told[] = []

  constructor(rules: Rules) {
    this.rules = rules
  }

  /** Every token that has been handed out. */
  handles(): Handle[] {
    return [...this.#entries.keys()]
  }

  /** Those that are a living session's own. */
  living(): Handle[] {
    return this.handles().filter((handle) => this.follow(handle) === handle)
  }

  /** Those that were rotated and still lead to a session. */
  moved(): Handle[] {
    return this.handles().filter((handle) => ![handle, null].includes(this.follow(handle)))
  }

  /** Those whose grace is over. */
  buried(): Handle[] {
    return this.handles().filter((handle) => this.follow(handle) === null && this.stored().has(handle))
  }

  /** What a store is to hold now, by token. */
  stored(): Map<Handle, Stored> {
    const stored = new Map<Handle, Stored>()
    for (const [handle, entry] of this.#entries.entries()) {
      if (entry === null) continue
      const held = 'successor' in entry ? entry : { expires: expiryOf(entry), sealed: handle === this.sealed }
      if (this.now < held.expires) stored.set(handle, held)
    }
    return stored
  }

  /** What has been told since this was last asked. */
  takeTold(): Told[] {
    const told = this.#told
    this.#told = []
    return told
  }

  /** The living session that this leads to, over as many rotations as their graces allow. */
  protected follow(who: Who): Handle | null {
    const end = this.#end(who, (tombstone) => this.now < tombstone.graceUntil)
    return end !== null && 'successor' in this.#at(end) ? null : end
  }

  /** The same for somebody who comes with the token, whose first use after the grace is noticed. */
  protected followToken(who: Who): Handle | null {
    const end = this.#end(who, (tombstone) => this.now < tombstone.graceUntil)
    if (end === null) return null
    const entry = this.#at(end)
    if (!('successor' in entry)) return end
    if (entry.reused) return null
    this.#entries[end] = { ...entry, reused: true }
    this.tell('reuse', 'reuse', entry.successor)
    const still = this.#end(entry.successor, () => true)
    if (still !== null && this.rules.revokeOnReuse) this.end(still, 'revoked', 'reuse')
    return null
  }

  protected of(session: Handle): Living {
    return this.#at(session) as Living
  }

  protected ofUser(userId: string): Handle[] {
    return this.living().filter((session) => this.of(session).userId === userId)
  }

  protected change(session: Handle, changes: Partial<Living>): void {
    this.#entries[session] = { ...this.of(session), ...changes }
  }

  protected access(session: Handle, changes: Partial<Living> = {}): void {
    this.change(session, { ...changes, lastAccessedAt: this.now })
  }

  /** Something is written to a session: if the last access is long enough ago, that is one. */
  protected written(session: Handle, changes: Partial<Living>): void {
    const { lastAccessedAt, idleTimeout } = this.of(session)
    if (this.now - lastAccessedAt >= touchEvery(this.rules, idleTimeout)) this.access(session, changes)
    else this.change(session, changes)
  }

  /**
   * Begins a session.
   * @param begun when the attempt to do so began
   * @param instead the session whose place it takes
   */
  protected begin({ lifetime, ...session }: Begun, begun: number, instead: Handle | null = null): Handle {
    const { now } = this
    const { userId } = session
    const ended: [Handle, string, string][] = []
    if (userId !== null) {
      if (begun < Math.max(this.#since.get(userId) ?? 0, this.#since.get('') ?? 0)) this.#refuse('revoked')
      const others = this.ofUser(userId).filter((one) => one !== instead)
      const isSame = (one: Handle) => session.deviceId !== null && this.of(one).deviceId === session.deviceId
      const rest = others.filter((one) => !isSame(one)).sort((a, b) => this.of(a).createdAt - this.of(b).createdAt)
      const { limit, whenFull } = this.rules.maxPerUser
      if (rest.length >= limit && whenFull === 'refuse') this.#refuse('limit')
      for (const one of others.filter(isSame)) ended.push([one, 'revoked', 'device'])
      for (const one of rest.slice(0, Math.max(0, rest.length - limit + 1))) ended.push([one, 'evicted', 'limit'])
    }
    for (const [one, type, cause] of ended) this.end(one, type, cause)
    const times = { createdAt: now, lastAccessedAt: now, deadline: now + lifetime, rotatedAt: null, bearsSeal: false }
    return this.#entries.push({ ...session, ...times, authenticatedAt: userId === null ? null : now }) - 1
  }

  /** Gives a session a new token. */
  protected replace(session: Handle, grace: number, cause: string, changes: Partial<Living> = {}): Handle {
    const living = this.of(session)
    const { now } = this
    const expires = Math.min(now + Math.max(grace, this.rules.reuseWindow), living.deadline)
    const successor = this.#entries.push({ ...living, rotatedAt: now, ...changes, lastAccessedAt: now }) - 1
    this.#entries[session] = { successor, graceUntil: now + grace, expires, reused: false }
    this.tell('rotated', cause, successor, session)
    return successor
  }

  protected end(session: Handle, type: string, cause: string): void {
    this.#entries[session] = null
    this.tell(type, cause, session)
  }

  /** Logins that have begun until now are refused: of a user, or of everyone. */
  protected refuseEarlier(userId = ''): void {
    this.#since.set(userId, this.now)
  }

  protected tell(type: string, cause: string, session: Handle | null, previous: Handle | null = null): void {
    this.#told.push({ type, cause, session, previous })
  }

  #refuse(cause: 'limit' | 'revoked'): never {
    this.tell('refused', cause, null)
    throw new Refused(cause === 'limit' ? 'ERR_USER_LIMIT' : 'ERR_LOGIN_REVOKED')
  }

  /** Where this leads: to a living session, or to the tombstone that does not lead on. */
  #end(who: Who, leads: (tombstone: Tombstone) => boolean): Handle | null {
    const entry = typeof who === 'number' ? this.#entries[who] : undefined
    if (typeof who === 'string' || !entry) return null
    if (!('successor' in entry)) return this.now < expiryOf(entry) ? who : null
    if (this.now >= entry.expires) return null
    return leads(entry) ? this.#end(entry.successor, leads) : who
  }

  #at(session: Handle): Living | Tombstone {
    return this.#entries[session] as Living | Tombstone
  }
}
