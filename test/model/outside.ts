import { expiryOf, listed, touchEvery } from './entries.ts'
import { Kept } from './kept.ts'
import {
  type Beginning,
  type Data,
  type Handle,
  type Listed,
  type Outcome,
  outcomeNow,
  Refused,
  type Seen,
  type Stats,
  type Who,
} from './operations.ts'
import { checkDetails, checked, checkField, checkUserId, toObject } from './values.ts'

/** What can be done without a request, and what a user's sessions are asked to do. */
export class Outside extends Kept {
  create(data: Data, beginning: Beginning): Handle {
    const { userId, lifetime = this.rules.lifetime, idleTimeout } = beginning
    const idle = idleTimeout ?? Math.min(this.rules.idleTimeout, lifetime)
    if (userId !== undefined) checkUserId(userId)
    if (lifetime < 1 || idle < 1 || idle > lifetime) throw new Refused('ERR_ARGUMENT')
    const details = { ...checkDetails(beginning), ip: null, remembered: false }
    const own = checked(data)
    const session = { userId: userId ?? null, lifetime, idleTimeout: idle, ...details, data: own }
    const begun = this.begin(session, this.now)
    this.tell(userId === undefined ? 'created' : 'login', 'create', begun)
    return begun
  }

  load(who: Who): Seen | null {
    const session = this.followToken(who)
    if (session === null) return null
    const { lastAccessedAt, idleTimeout } = this.of(session)
    if (this.now - lastAccessedAt >= touchEvery(this.rules, idleTimeout)) this.access(session)
    return this.peek(session)
  }

  peek(who: Who): Seen | null {
    const session = this.follow(who)
    return session === null ? null : { ...this.#listed(session), data: toObject(this.of(session).data) }
  }

  touch(who: Who): boolean {
    const session = this.follow(who)
    if (session !== null) this.access(session)
    return session !== null
  }

  set(who: Who, data: Data): void {
    const own = checked(data)
    this.written(this.#session(who), { data: own })
  }

  update(who: Who, field: string, change: (current: unknown) => unknown): unknown {
    checkField(field)
    // That the change threw is said only where there is a session, which has been written to all the same.
    const session = this.#session(who)
    this.written(session, {})
    const data = new Map(this.of(session).data)
    const next = checked({ [field]: change(structuredClone(data.get(field))) })
    if (next.has(field)) data.set(field, next.get(field))
    else data.delete(field)
    this.change(session, { data })
    return structuredClone(data.get(field))
  }

  increment(who: Who, field: string, by: number): number {
    checkField(field)
    if (!Number.isSafeInteger(by)) throw new Refused('ERR_ARGUMENT')
    const session = this.#session(who)
    const { data } = this.of(session)
    const value = data.has(field) ? data.get(field) : 0
    // From 1e21 on, a number is not written as an integer.
    if (!Number.isInteger(value) || Math.abs(Number(value)) >= 1e21) throw new Refused('ERR_FIELD_NOT_INTEGER', field)
    const sum = Number(value) + by
    if (!Number.isSafeInteger(value) || !Number.isSafeInteger(sum)) throw new Refused('ERR_FIELD_RANGE', field)
    this.written(session, { data: new Map(data).set(field, sum) })
    return sum
  }

  setIdleTimeout(who: Who, idleTimeout: number): void {
    if (idleTimeout < 1 || idleTimeout > this.rules.lifetime) throw new Refused('ERR_ARGUMENT')
    this.access(this.#session(who), { idleTimeout })
  }

  timeToLive(who: Who): number | null {
    const session = this.follow(who)
    return session === null ? null : expiryOf(this.of(session)) - this.now
  }

  rotate(who: Who): { token: boolean; session: Handle } {
    const session = this.#session(who)
    // Rotated already, and the grace lasts: the new token has gone to whoever did it.
    if (session !== who) return { token: false, session }
    return { token: true, session: this.replace(session, this.rules.rotationGrace, 'rotate') }
  }

  destroy(who: Who): boolean {
    const session = this.follow(who)
    if (session !== null) this.end(session, 'destroyed', 'destroy')
    return session !== null
  }

  find(who: Who): Seen | null {
    return this.peek(who)
  }

  revoke(who: Who): boolean {
    const session = this.follow(who)
    if (session !== null) this.end(session, 'revoked', 'revoke')
    return session !== null
  }

  count(): number {
    return this.living().length
  }

  stats(): Stats {
    const users = this.living().map((session) => this.of(session).userId)
    const members = users.filter((userId) => userId !== null)
    const guests = users.length - members.length
    return { active: users.length, guests, members: members.length, users: new Set(members).size }
  }

  recent(limit: number): Listed[] {
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new Refused('ERR_ARGUMENT')
    return this.#list(this.living()).slice(0, limit)
  }

  pages(): Listed[] {
    return this.#list(this.living())
  }

  listOf(userId: string): Listed[] {
    checkUserId(userId)
    return this.#list(this.ofUser(userId))
  }

  revokeOf(userId: string, who: Who): boolean {
    checkUserId(userId)
    const session = this.follow(who)
    if (session === null || this.of(session).userId !== userId) return false
    return this.revoke(session)
  }

  revokeDeviceOf(userId: string, deviceId: string): number {
    checkUserId(userId)
    checkDetails({ deviceId })
    const onDevice = this.ofUser(userId).filter((session) => this.of(session).deviceId === deviceId)
    for (const session of onDevice) this.end(session, 'revoked', 'device')
    return onDevice.length
  }

  revokeOthersOf(userId: string, who: Who): number {
    checkUserId(userId)
    const kept = this.follow(who)
    if (kept === null || this.of(kept).userId !== userId) throw new Refused('ERR_SESSION_ENDED')
    const others = this.ofUser(userId).filter((session) => session !== kept)
    for (const session of others) this.end(session, 'revoked', 'others')
    this.refuseEarlier(userId)
    return others.length
  }

  revokeAllOf(userId: string): number {
    checkUserId(userId)
    const all = this.ofUser(userId)
    for (const session of all) this.end(session, 'revoked', 'all')
    this.refuseEarlier(userId)
    return all.length
  }

  setRolesOf(userId: string, roles: readonly string[]): number {
    checkUserId(userId)
    const details = checkDetails({ roles })
    const all = this.ofUser(userId)
    for (const session of all) {
      this.change(session, { roles: details.roles })
      this.tell('roles', 'roles', session)
    }
    return all.length
  }

  revokeEveryone(): number {
    const all = this.living()
    for (const session of all) this.end(session, 'revoked', 'everyone')
    this.refuseEarlier()
    return all.length
  }

  joined(userId: string, roles: readonly string[] | null): { begun: Outcome; changed: number } {
    const begun = outcomeNow(() => this.create({}, { userId }))
    return { begun, changed: roles === null ? this.revokeAllOf(userId) : this.setRolesOf(userId, roles) }
  }

  #session(who: Who): Handle {
    const session = this.follow(who)
    if (session === null) throw new Refused('ERR_SESSION_ENDED')
    return session
  }

  #list(sessions: Handle[]): Listed[] {
    return sessions.map((session) => this.#listed(session)).sort((a, b) => b.lastAccessedAt - a.lastAccessedAt)
  }

  #listed(session: Handle): Listed {
    return listed(session, this.of(session))
  }
}
