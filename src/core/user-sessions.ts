import { SessionEndedError } from './errors.ts'
import type { SessionEvents } from './events.ts'
import type { Operations } from './operations.ts'
import { infoOf, type SessionInfo } from './record.ts'
import type { Note, SessionRef } from './store.ts'
import { checkUserId, isId } from './token.ts'
import { checkDeviceId, checkRoles, encodeRoles } from './user-fields.ts'

/** Who has sessions revoked, for whoever is told of it. */
export interface RevokeOptions {
  /** Such as the user id of an administrator. Told with the event; never checked. */
  actor?: string
}

/** The sessions of one user: `sessions.user(userId)`. Never of another user, whatever ids it is given. */
export class UserSessions {
  readonly #operations: Operations
  readonly #userId: string

  /** @throws ArgumentError for what is no user id */
  constructor(operations: Operations, userId: string) {
    this.#operations = operations
    this.#userId = checkUserId(userId)
  }

  /** The user's sessions, the one accessed last first. @throws StoreError */
  async list(): Promise<SessionInfo[]> {
    const records = await this.#operations.call('list', (call) => this.#store.listUser(this.#userId, call))
    return records.map(infoOf).sort((a, b) => b.lastAccessedAt - a.lastAccessedAt || (a.id < b.id ? 1 : -1))
  }

  /**
   * Ends one session of this user.
   * @returns whether the user had it
   * @throws StoreError
   */
  async revoke(id: string, options?: RevokeOptions): Promise<boolean> {
    const session = await this.find(id)
    return session !== null && this.end(session, options)
  }

  /** The session of this user that an id leads to, or `null`. @internal */
  async find(id: string): Promise<SessionRef | null> {
    const record = isId(id) ? await this.#operations.load(id) : null
    // A session keeps its user as long as it lives.
    return record?.userId === this.#userId ? record : null // guard: of this user
  }

  /** Ends a session that was found. @internal */
  end(session: SessionRef, options?: RevokeOptions): Promise<boolean> {
    return this.#operations.destroy(session, this.#note('revoke', options))
  }

  /**
   * Ends the user's sessions on one device.
   * @returns how many there were
   * @throws ArgumentError, StoreError
   */
  async revokeDevice(deviceId: string, options?: RevokeOptions): Promise<number> {
    checkDeviceId(deviceId)
    const onDevice = (await this.list()).filter((session) => session.deviceId === deviceId)
    const note = this.#note('device', options)
    const ended = await Promise.all(onDevice.map((session) => this.#operations.destroy(session, note)))
    return ended.filter(Boolean).length
  }

  /**
   * Ends all sessions of the user but one, and refuses the user's logins that began before.
   * @param id the session that goes on; an id from before a rotation will do while its grace lasts
   * @returns how many have ended
   * @throws SessionEndedError when there is no such session of this user: then nothing was done; StoreError
   */
  async revokeOthers(id: string, options?: RevokeOptions): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const kept = await this.find(id)
      if (kept === null) throw new SessionEndedError() // guard: of this user
      try {
        return await this.#revoke(kept.id, this.#note('others', options))
      } catch (error) {
        // It may have got another id in between.
        if (!(error instanceof SessionEndedError) || attempt === 3) throw error
      }
    }
  }

  /**
   * Logs the user out everywhere: ends all sessions, in one step, and refuses logins that began before.
   * @returns how many have ended
   * @throws StoreError
   */
  revokeAll(options?: RevokeOptions): Promise<number> {
    return this.#revoke(null, this.#note('all', options))
  }

  /**
   * Gives all sessions of the user other roles, at once.
   * @returns how many there were
   * @throws ArgumentError, StoreError
   */
  async setRoles(roles: readonly string[], options?: RevokeOptions): Promise<number> {
    const encoded = encodeRoles(checkRoles(roles))
    const note = this.#note('roles', options, 'roles')
    const ids = await this.#operations.call('setRoles', (call) =>
      this.#store.setUserRoles(this.#userId, encoded, note, call),
    )
    return this.#tell(note, ids)
  }

  /** In steps of many sessions each, every one with a deadline of its own. */
  async #revoke(keep: string | null, note: Note): Promise<number> {
    let ended = 0
    while (true) {
      const reply = await this.#operations.call('revoke', (call) =>
        this.#store.revokeUser(this.#userId, keep, note, call),
      )
      if (reply.status === 'ended') throw new SessionEndedError()
      ended += this.#tell(note, reply.ids)
      if (!reply.more) return ended
    }
  }

  #note(cause: string, options?: RevokeOptions, type: keyof SessionEvents = 'revoked'): Note {
    return this.#operations.events.note(type, cause, options?.actor)
  }

  /** @returns of how many sessions */
  #tell(note: Note, ids: readonly string[]): number {
    for (const id of ids) {
      this.#operations.requests.take(id)
      this.#operations.events.tellOf(note, id, this.#userId)
    }
    return ids.length
  }

  get #store() {
    return this.#operations.settings.store
  }
}
