import { expiryOf, type Living, type Stored, type Tombstone, touchEvery } from './entries.ts'
import type { Beginning, Data, Handle, Listed, Operations, Rules, Seen, Who } from './operations.ts'
import { Refused } from './operations.ts'
import { checked, checkField, toObject } from './values.ts'

// What coatcheck promises, as plainly as it can be said: sessions are objects in a list, and time is a number. It shares
// nothing with src/, so that a mistake made there is not made here too.

export class Model implements Operations {
  now = 0
  readonly rules: Rules
  readonly #entries: (Living | Tombstone | null)[] = []

  constructor(rules: Rules) {
    this.rules = rules
  }

  create(data: Data, { userId, lifetime = this.rules.lifetime, idleTimeout }: Beginning): Handle {
    const idle = idleTimeout ?? Math.min(this.rules.idleTimeout, lifetime)
    if (userId === '' || lifetime < 1 || idle < 1 || idle > lifetime) throw new Refused('ERR_ARGUMENT')
    const own = checked(data)
    if (userId !== undefined) this.#makeRoom(userId)
    const { now } = this
    const times = { createdAt: now, lastAccessedAt: now, deadline: now + lifetime, idleTimeout: idle }
    return this.#entries.push({ userId: userId ?? null, ...times, data: own }) - 1
  }

  load(who: Who): Seen | null {
    const session = this.#follow(who)
    if (session === null) return null
    const { lastAccessedAt, idleTimeout } = this.#of(session)
    if (this.now - lastAccessedAt >= touchEvery(this.rules, idleTimeout)) this.touch(session)
    return this.peek(session)
  }

  peek(who: Who): Seen | null {
    const session = this.#follow(who)
    return session === null ? null : { ...this.#listed(session), data: toObject(this.#of(session).data) }
  }

  touch(who: Who): boolean {
    const session = this.#follow(who)
    if (session !== null) this.#of(session).lastAccessedAt = this.now
    return session !== null
  }

  set(who: Who, data: Data): void {
    const own = checked(data)
    this.#accessed(who).data = own
  }

  update(who: Who, field: string, change: (current: unknown) => unknown): unknown {
    checkField(field)
    // That the change threw is said only where there is a session, which has been accessed all the same.
    const { data } = this.#accessed(who)
    const next = checked({ [field]: change(structuredClone(data.get(field))) })
    if (next.has(field)) data.set(field, next.get(field))
    else data.delete(field)
    return structuredClone(data.get(field))
  }

  increment(who: Who, field: string, by: number): number {
    checkField(field)
    if (!Number.isSafeInteger(by)) throw new Refused('ERR_ARGUMENT')
    const { data } = this.#living(who)
    const value = data.has(field) ? data.get(field) : 0
    // From 1e21 on, a number is not written as an integer.
    if (!Number.isInteger(value) || Math.abs(Number(value)) >= 1e21) throw new Refused('ERR_FIELD_NOT_INTEGER', field)
    const sum = Number(value) + by
    if (!Number.isSafeInteger(value) || !Number.isSafeInteger(sum)) throw new Refused('ERR_FIELD_RANGE', field)
    this.#accessed(who).data.set(field, sum)
    return sum
  }

  setIdleTimeout(who: Who, idleTimeout: number): void {
    if (idleTimeout < 1 || idleTimeout > this.rules.lifetime) throw new Refused('ERR_ARGUMENT')
    this.#accessed(who).idleTimeout = idleTimeout
  }

  timeToLive(who: Who): number | null {
    const session = this.#follow(who)
    return session === null ? null : expiryOf(this.#of(session)) - this.now
  }

  rotate(who: Who): { token: boolean; session: Handle } {
    const living = this.#living(who)
    const session = this.#entries.indexOf(living)
    // Rotated already, and the grace lasts: the new token has gone to whoever did it.
    if (session !== who) return { token: false, session }
    const { rotationGrace, reuseWindow } = this.rules
    const expires = Math.min(this.now + Math.max(rotationGrace, reuseWindow), living.deadline)
    const successor = this.#entries.length
    this.#entries[session] = { successor, graceUntil: this.now + rotationGrace, expires }
    this.#entries.push(living)
    this.touch(successor)
    return { token: true, session: successor }
  }

  destroy(who: Who): boolean {
    const session = this.#follow(who)
    if (session !== null) this.#entries[session] = null
    return session !== null
  }

  find(who: Who): Seen | null {
    return this.peek(who)
  }

  revoke(who: Who): boolean {
    return this.destroy(who)
  }

  count(): number {
    return this.living().length
  }

  recent(limit: number): Listed[] {
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new Refused('ERR_ARGUMENT')
    const listed = this.living().map((session) => this.#listed(session))
    return listed.sort((a, b) => b.lastAccessedAt - a.lastAccessedAt).slice(0, limit)
  }

  /** Every token that has been handed out. */
  handles(): Handle[] {
    return [...this.#entries.keys()]
  }

  /** Those that are a living session's own. */
  living(): Handle[] {
    return this.handles().filter((handle) => this.#follow(handle) === handle)
  }

  /** Those that were rotated and still lead to a session. */
  moved(): Handle[] {
    return this.handles().filter((handle) => ![handle, null].includes(this.#follow(handle)))
  }

  /** What a store is to hold now, by token. */
  stored(): Map<Handle, Stored> {
    const stored = new Map<Handle, Stored>()
    for (const [handle, entry] of this.#entries.entries()) {
      if (entry === null) continue
      const held = 'successor' in entry ? entry : { expires: expiryOf(entry) }
      if (this.now < held.expires) stored.set(handle, held)
    }
    return stored
  }

  /** The living session that this leads to, over as many rotations as their graces allow. */
  #follow(who: Who): Handle | null {
    const entry = typeof who === 'number' ? this.#entries[who] : undefined
    if (typeof who === 'string' || !entry) return null
    if ('successor' in entry) return this.now < entry.graceUntil ? this.#follow(entry.successor) : null
    return this.now < expiryOf(entry) ? who : null
  }

  #living(who: Who): Living {
    const session = this.#follow(who)
    if (session === null) throw new Refused('ERR_SESSION_ENDED')
    return this.#of(session)
  }

  /** The session, for what counts as activity. */
  #accessed(who: Who): Living {
    const living = this.#living(who)
    living.lastAccessedAt = this.now
    return living
  }

  #of(session: Handle): Living {
    return this.#entries[session] as Living
  }

  #listed(session: Handle): Listed {
    const { data: _, ...living } = this.#of(session)
    return { session, ...living, expiresAt: expiryOf(this.#of(session)) }
  }

  /** For one session more of this user. */
  #makeRoom(userId: string): void {
    const { limit, whenFull } = this.rules.maxPerUser
    const own = this.living().filter((session) => this.#of(session).userId === userId)
    if (own.length >= limit && whenFull === 'refuse') throw new Refused('ERR_USER_LIMIT')
    own.sort((a, b) => this.#of(a).createdAt - this.#of(b).createdAt)
    for (const oldest of own.slice(0, Math.max(0, own.length - limit + 1))) this.#entries[oldest] = null
  }
}
