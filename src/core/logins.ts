import { type CreateSession, create, type Started } from './creations.ts'
import { SessionEndedError, StoreError } from './errors.ts'
import type { Events } from './events.ts'
import { ignored } from './ignored.ts'
import type { Operations } from './operations.ts'
import { dataFields } from './record.ts'
import { replaceToken } from './rotations.ts'
import { release, seal, unseal } from './seals.ts'
import { type DataChanges, UNCHANGED } from './session-data.ts'
import type { SessionRecord } from './store.ts'
import { detailFields, RENEWED_FIELDS, type UserDetails } from './user-fields.ts'

/** A login as asked for. */
export interface LoginRequest {
  readonly userId: string
  readonly details: UserDetails
  readonly idleTimeout: number
  readonly lifetime: number
  /** Whether the data of the session before is kept, if it had no user or the same. */
  readonly keepData: boolean
  /** What the request has changed of that data and not committed. */
  readonly changes: DataChanges
  /** When the attempt began, by `performance.now()`. */
  readonly begun: number
}

/** A session that begins with a login. */
export interface LoggedIn extends Started {
  /** Whether it has the data of the one before. */
  readonly keptData: boolean
  /** Whether it is the session before, with another token. */
  readonly continued: boolean
  /** The request's changes, as far as they are in it already. */
  readonly committed: DataChanges
}

/**
 * Binds a session to a user, always with a new token. The session of the user's partition is another hash than the one before,
 * maybe on another node, so it takes three steps: *seal* the old one (from then on nobody writes to it), *create* the new one
 * with its data, *release* the old one, which ends it if the seal has held. A crash in between leaves the visitor with the old
 * one and all its data, once the seal has lapsed; nobody has the new one's token.
 */
export class Logins {
  readonly #operations: Operations
  readonly #events: Events

  constructor(operations: Operations, events: Events) {
    this.#operations = operations
    this.#events = events
  }

  /** @throws SessionEndedError, LoginRevokedError, UserLimitError, FieldError, StoreError */
  async login(old: SessionRecord | null, request: LoginRequest): Promise<LoggedIn> {
    if (old === null) return this.#begin(null, request)
    const { userId, details, keepData } = request
    const sameDevice = details.deviceId === null || details.deviceId === old.fields.get('device_id')
    if (old.userId === userId && keepData && sameDevice) {
      const again = await this.#again(old, request)
      if (again !== null) return again
    } else {
      const sealed = await seal(this.#operations, old)
      if (sealed !== null) return this.#takeOver(sealed.record, sealed.by, request)
    }
    // The session has ended since the request came.
    const isSwitch = (old.userId ?? userId) !== userId
    if (isSwitch) return this.#begin(null, { ...request, keepData: false }) // guard: another user's changes
    // What it was to keep is gone: that must not pass in silence.
    const { set, remove } = request.changes
    const isMissed = dataFields(old.fields).size + set.size + remove.length > 0
    if (keepData && isMissed) throw new SessionEndedError()
    return this.#begin(null, request)
  }

  /** The same user in the same partition: one step, on one hash. `null`: the session has ended. */
  async #again(old: SessionRecord, request: LoginRequest): Promise<LoggedIn | null> {
    const { idleTimeout, lifetime } = request
    const set = detailFields(request.details)
    // The device stays what it was. All else is as this login says, whatever others have written since the request came.
    const remove = RENEWED_FIELDS.filter((field) => !set.has(field))
    const rotated = await replaceToken(this.#operations, old, {
      note: this.#events.note('rotated', 'login', request.userId),
      renew: { idleTimeout, lifetime },
      set,
      remove,
    })
    return rotated && { ...rotated, keptData: true, continued: true, committed: UNCHANGED }
  }

  async #takeOver(old: SessionRecord, by: string, request: LoginRequest): Promise<LoggedIn> {
    let started: LoggedIn | undefined
    try {
      started = await this.#begin(old, request)
      if (await this.#release(old, by, request.userId)) return started
      throw new StoreError('ERR_STORE_TIMEOUT', 'The login took too long and was not carried out.', 'none')
    } catch (error) {
      // The old session stays, and others may have written to it since: what has begun in its place goes. Where that fails too,
      // its idle timeout ends it, for nobody has its token.
      if (started)
        await this.#operations.destroy(started.record, this.#events.note('destroyed', 'login')).catch(ignored)
      // The visitor goes on as before, at once; without this the seal lapses by itself.
      await unseal(this.#operations, old, by).catch(ignored)
      throw error
    }
  }

  /**
   * Ends the old session. Where nobody knows whether that was done, it is asked for once more. If nobody knows even then, the
   * login stands: with an error the visitor could be left without the old session and without the new one's token. At worst the
   * old one goes on without a user, as it was.
   * @returns `false` if the seal has not held, and the old session stays
   */
  async #release(old: SessionRecord, by: string, actor: string): Promise<boolean> {
    const end = () => release(this.#operations, old, by, this.#events.note('destroyed', 'login', actor))
    try {
      return await end()
    } catch (error) {
      if (error instanceof StoreError && error.outcome === 'none') throw error
      return end().catch(standsAllTheSame) // guard: unknown release
    }
  }

  async #begin(old: SessionRecord | null, request: LoginRequest): Promise<LoggedIn> {
    const { userId, idleTimeout, lifetime, begun } = request
    const fields = detailFields(request.details)
    // The request that logs in is the session's first.
    fields.set('request_count', '1')
    const keptData = request.keepData && (old?.userId ?? userId) === userId
    if (keptData) {
      const { set, remove } = request.changes
      for (const [field, text] of [...dataFields(old?.fields ?? new Map()), ...set]) fields.set(field, text)
      for (const field of remove) fields.delete(field)
    }
    const note = this.#events.note('login', 'login', userId, old?.id)
    const takesOver = old?.userId === userId ? { takesOver: old.id } : {}
    const session: CreateSession = { userId, fields, idleTimeout, lifetime, begun, note, ...takesOver }
    const started = await create(this.#operations, session)
    return { ...started, keptData, continued: false, committed: request.changes }
  }
}

function standsAllTheSame(): true {
  return true
}
