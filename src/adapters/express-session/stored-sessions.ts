import { createBeside } from '../../core/beside.ts'
import { commit, NO_CHANGES } from '../../core/commits.ts'
import { createAs } from '../../core/creations.ts'
import { ArgumentError, SessionEndedError, StoreError } from '../../core/errors.ts'
import type { Operations } from '../../core/operations.ts'
import { touchEvery } from '../../core/options.ts'
import type { SessionRecord, TouchRule } from '../../core/store.ts'
import { touchNow } from '../../core/touches.ts'
import { cookieFields, cookieOf, expiryOf } from './cookie-fields.ts'
import { idOfHandle, isHandle } from './handles.ts'
import { after, begun, type Difference, difference, isCookie, type Known, knownOf, whileUnderWay } from './known.ts'
import { LONGEST_COOKIE, type StoreSettings } from './options.ts'
import { decodeProperties, EXPIRES_FIELD, encodeProperties } from './properties.ts'
import { idOfSid } from './sid.ts'

/** Session ids that have ended are remembered for so many milliseconds: longer than a request takes that was on its way. */
export const REMEMBERED: number = 60 * 60 * 1000

/** No idle timeout is longer, in milliseconds: ten years. */
export const LONGEST_IDLE: number = 10 * 365 * 24 * 60 * 60 * 1000

/** A write that leaves the end of the session where it is. */
const NEVER: TouchRule = { longest: Number.MAX_SAFE_INTEGER, parts: 1 }

/** A session as express-session and the like have it: the application's properties, and a cookie. */
export type Plain = Record<string, unknown>

/**
 * Sessions by the id that express-session has given them. Of each object that a session was read into or written from, it is
 * known what the store held then: so what is written later is what this object has changed, and nothing else.
 */
export class StoredSessions {
  readonly #settings: StoreSettings
  readonly #operations: Operations
  readonly #known = createBeside<Known>()

  constructor(settings: StoreSettings) {
    this.#settings = settings
    this.#operations = settings.operations
  }

  async get(sid: string): Promise<Plain | null> {
    const record = await this.load(sid, idOfSid(sid))
    return record && this.plain(record)
  }

  /** Of a session that is the same in another object, the same is known. */
  inherit(from: object, to: object): void {
    const known = this.#known.get(from)
    if (known !== undefined) this.#known.set(to, known)
  }

  /**
   * Writes what a session has changed since it was read or last written; one of which nothing is known begins, or takes the
   * place of the one that is there.
   * @throws SessionEndedError, FieldError, ArgumentError, StoreError
   */
  async set(sid: string, session: object): Promise<void> {
    if (isHandle(sid)) throw new ArgumentError('A handle, as ids() gives it, sets no session.') // guard: handle
    const id = idOfSid(sid)
    // Now, before anything is awaited: what the object becomes afterwards has not been sent.
    const cookie = (session as Plain).cookie
    const fields = encodeProperties(session)
    for (const [field, text] of cookieFields(cookie)) fields.set(field, text)
    const idleTimeout = this.idleTimeout(cookie)
    if (idleTimeout <= 0) return this.expire(sid, id) // guard: expired cookie
    const known = this.knownAs(id, session) ?? (await this.#begin(id, session, fields, idleTimeout))
    if (known !== null) await this.#commit(id, session, known, difference(known, fields), idleTimeout)
  }

  /**
   * Moves the end of a session, and stores when its cookie expires.
   * @throws SessionEndedError, StoreError
   */
  async touch(sid: string, session: object): Promise<void> {
    const id = idOfSid(sid)
    const { cookie } = session as Plain
    const idleTimeout = this.idleTimeout(cookie)
    if (idleTimeout <= 0) return this.expire(sid, id) // guard: expired cookie
    const fields = cookieFields(cookie)
    const known = this.knownAs(id, session)
    const changes = cookieChanges(known, fields)
    if (known !== null && isPlain(changes) && this.#isSoon(id, known, idleTimeout)) return
    try {
      await this.#commit(id, session, known, changes, idleTimeout)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'ERR_STORE_FULL')) throw error // guard: only without memory
      // Without memory no field can be written, but the end of the session can be moved as before: readers go on.
      if (!(await touchNow(this.#operations, { id, userId: null }))) throw new SessionEndedError() // guard: ended
    }
  }

  /** Ends a session, for good: by its id, or by its handle. */
  async destroy(sid: string): Promise<void> {
    const id = idOfHandle(sid) ?? idOfSid(sid)
    await this.end(id)
  }

  /** The same by the id under which it is kept. */
  async end(id: string): Promise<void> {
    const note = this.#operations.events.note('destroyed', 'destroy')
    await this.#operations.destroy({ id, userId: null }, note, REMEMBERED)
  }

  /** A session whose cookie has expired ends as it would by itself: nothing is remembered of it. */
  protected async expire(_sid: string, id: string): Promise<void> {
    await this.#operations.destroy({ id, userId: null }, this.#operations.events.note('destroyed', 'expired'))
  }

  protected load(_sid: string, id: string): Promise<SessionRecord | null> {
    return this.#operations.load(id)
  }

  /** A session as it was just read, of which is known from now on what the store holds. */
  protected plain(record: SessionRecord): Plain {
    const session = plainOf(record.fields)
    this.know(session, knownOf(record))
    return session
  }

  protected know(session: object, known: Known): void {
    this.#known.set(session, known)
  }

  /** What is known of this object; `null`: nothing, or only of another session. */
  protected knownAs(id: string, session: object): Known | null {
    const known = this.#known.get(session)
    return known?.id === id ? known : null
  }

  /** @returns what is in the store of one that is there already, `null` for one that has begun */
  async #begin(
    id: string,
    session: object,
    fields: ReadonlyMap<string, string>,
    idleTimeout: number,
  ): Promise<Known | null> {
    const lifetime = this.#settings.lifetime ?? Math.max(LONGEST_COOKIE, idleTimeout)
    const { existed, now } = await createAs(this.#operations, id, {
      userId: null,
      fields,
      idleTimeout,
      lifetime,
      begun: performance.now(),
      note: this.#operations.events.note('created', 'create'),
    })
    if (!existed) {
      this.#known.set(session, begun(id, fields, now, idleTimeout))
      return null
    }
    const record = await this.#operations.load(id)
    if (record === null) throw new SessionEndedError() // guard: no session there
    return knownOf(record)
  }

  /** @param known what the store held before; `null`: nobody knows, and nobody does afterwards */
  async #commit(
    id: string,
    session: object,
    known: Known | null,
    changes: Difference,
    idleTimeout: number,
  ): Promise<void> {
    const all = { ...NO_CHANGES, ...changes }
    if (known === null) return void (await commit(this.#operations, { id, userId: null }, { ...all, idleTimeout }))
    const ref = { id, userId: null, lastAccessedAt: known.lastAccessedAt, idleTimeout: known.idleTimeout }
    const staysAsLong = this.#isSoon(id, known, idleTimeout)
    const send = () =>
      staysAsLong ? commit(this.#operations, ref, all, NEVER) : commit(this.#operations, ref, { ...all, idleTimeout })
    // Until the answer comes, and for good if none does, nobody knows what these fields hold: another set, by somebody who has
    // not waited for this one, writes them again.
    const underWay = whileUnderWay(known, changes)
    this.#known.set(session, underWay)
    const settle = (now: Known) => {
      if (this.#known.get(session) === underWay) this.#known.set(session, now) // guard: the last word
    }
    try {
      const reply = await send()
      settle(after(known, changes, reply.lastAccessedAt, staysAsLong ? known.idleTimeout : idleTimeout))
    } catch (error) {
      if (!(error instanceof StoreError && error.outcome === 'unknown')) settle(known)
      throw error
    }
  }

  /** Milliseconds from now to the end of a session that is not used again; 0 or less: it has ended. */
  protected idleTimeout(cookie: unknown): number {
    const at = expiryOf(cookie)
    const idleTimeout = at === null ? this.#settings.ttl : Math.round(at - Date.now())
    return Math.min(idleTimeout, this.#settings.lifetime ?? LONGEST_IDLE, LONGEST_IDLE)
  }

  /** Whether the end of the session would be moved by less than `touchInterval`. */
  #isSoon(id: string, known: Known, idleTimeout: number): boolean {
    const now = this.#operations.settings.store.now(id)
    if (now === null) return false
    const moved = now + idleTimeout - (known.lastAccessedAt + known.idleTimeout)
    return Math.abs(moved) < touchEvery(this.#settings, idleTimeout)
  }
}

/** Whether nothing changes but when the cookie expires. */
function isPlain({ set, remove }: Difference): boolean {
  return remove.length === 0 && [...set.keys()].every((field) => field === EXPIRES_FIELD)
}

/** What a session's hash holds, as one object. */
export function plainOf(fields: ReadonlyMap<string, string>): Plain {
  const session = decodeProperties(fields)
  const cookie = cookieOf(fields)
  if (cookie !== undefined) session.cookie = cookie
  return session
}

/** What a touch writes: of the cookie only. */
function cookieChanges(known: Known | null, fields: ReadonlyMap<string, string>): Difference {
  if (fields.size === 0) return { set: fields, remove: [] }
  if (known === null) return { set: fields, remove: fields.has(EXPIRES_FIELD) ? [] : [EXPIRES_FIELD] }
  const { set, remove } = difference(known, fields)
  return { set, remove: remove.filter(isCookie) }
}
