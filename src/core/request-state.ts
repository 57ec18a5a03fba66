import { ArgumentError, FieldError, HeadersSentError, SessionEndedError } from './errors.ts'
import { encodeField } from './field-updates.ts'
import { checkField } from './fields.ts'
import { NO_CHANGES, type Operations } from './operations.ts'
import { dataFields } from './record.ts'
import { SessionData } from './session-data.ts'
import type { Changes, SessionRecord } from './store.ts'
import { idOfToken, type Token } from './token.ts'

type Cookie = { issue: Token } | 'clear' | null

/**
 * One request's session: what was loaded, what has changed, and which cookie the response owes the browser. The session
 * object that applications use and the adapters both work on this.
 */
export class RequestState {
  readonly operations: Operations
  /** The stored session, as far as this request knows it; `null` while there is none. */
  record: SessionRecord | null
  /** The request came with a token whose session does not exist (any more). */
  readonly ended: boolean
  /** Set by the adapter once the head of the response has left: from then on no cookie can be sent. */
  headSent = false
  #view: SessionData | null = null
  #idleTimeout: number | null = null
  #cookie: Cookie = null
  #creating: Promise<void> | null = null
  /** Another request has rotated the session: its response hands out the new token, and this one's must not. */
  #superseded: boolean

  constructor(
    operations: Operations,
    record: SessionRecord | null,
    { ended = false, superseded = false }: { ended?: boolean; superseded?: boolean } = {},
  ) {
    this.operations = operations
    this.record = record
    this.ended = ended
    this.#superseded = superseded
  }

  /** Reads the session that a `Cookie` header names: no command without a canonical token, one command with it. */
  static async open(operations: Operations, cookieHeader: string | undefined): Promise<RequestState> {
    const token = operations.settings.cookie.read(cookieHeader)
    if (token === null) return new RequestState(operations, null) // guard: no token
    const id = idOfToken(token)
    const record = await operations.load(id)
    return new RequestState(operations, record, {
      ended: record === null,
      superseded: record !== null && record.id !== id,
    })
  }

  /** The session data. Decoded on first use, so that a request that does not look pays nothing. */
  get data(): Record<string, unknown> {
    return this.#viewed().values
  }

  get idleTimeout(): number {
    return this.#idleTimeout ?? this.record?.idleTimeout ?? this.operations.settings.idleTimeout
  }

  /** What the next commit would write, or `null`. Throws FieldError or DataError for what cannot be stored. */
  pending(): Changes | null {
    const changes = this.#view?.changes()
    if (this.#idleTimeout === null && !changes?.set.size && !changes?.remove.length) return null
    // An idle timeout alone begins no session: there is nothing to keep.
    if (this.record === null && !changes?.set.size) return null
    return { ...NO_CHANGES, ...changes, idleTimeout: this.#idleTimeout }
  }

  /** Writes `changes`: begins the session if there is none, else commits to it. */
  async commit(changes: Changes | null = this.pending()): Promise<void> {
    if (changes === null) return
    if (this.record === null && this.#creating === null) {
      await this.#create(changes.set)
      this.#view?.committed(changes)
      return
    }
    await this.#creating
    if (this.record === null) throw new SessionEndedError() // guard: ended
    const { id, lastAccessedAt } = await this.operations.commit(this.record, changes)
    // Logged out meanwhile: what this request holds now belongs to no session yet.
    if (this.record === null) return // guard: logged out meanwhile
    const { set, remove, idleTimeout } = changes
    this.#view?.committed({ set, remove })
    if (idleTimeout === this.#idleTimeout) this.#idleTimeout = null
    const fields = new Map(this.record.fields)
    for (const [field, text] of set) fields.set(field, text)
    for (const field of remove) fields.delete(field)
    this.#accessed({ id, lastAccessedAt, fields, ...(idleTimeout !== null && { idleTimeout }) })
  }

  /** Increments a field in the store, at once. */
  async increment(field: string, by: number): Promise<number> {
    checkField(field) // guard: field name
    checkIncrement(by)
    this.#refuseUncommitted(field) // guard: uncommitted field
    if (this.record === null && this.#creating === null) {
      await this.#createWith(field, String(by))
      return by
    }
    await this.#creating
    if (this.record === null) throw new SessionEndedError() // guard: ended
    const { id, lastAccessedAt, increments } = await this.operations.commit(this.record, {
      ...NO_CHANGES,
      increments: [[field, by]],
    })
    const value = increments[0] as number
    this.#accessed({ id, lastAccessedAt })
    this.#stored(field, String(value))
    return value
  }

  /** Changes a field in the store, at once, by compare and set. */
  async update(field: string, change: (current: unknown) => unknown): Promise<unknown> {
    checkField(field) // guard: field name
    this.#refuseUncommitted(field) // guard: uncommitted field
    if (this.record === null && this.#creating === null) {
      const value = change(undefined)
      if (value !== undefined) await this.#createWith(field, encodeField(field, value, this.operations.settings))
      return value
    }
    await this.#creating
    if (this.record === null) throw new SessionEndedError() // guard: ended
    const known = this.record.fields.get(field) ?? null
    const text = await this.operations.update(this.record, field, known, change)
    this.#stored(field, text)
    // A field that is gone may still have an inherited namesake, such as `constructor`.
    return text === null ? undefined : this.#written(field, text)
  }

  setIdleTimeout(ms: number): void {
    this.#idleTimeout = ms
  }

  /** Gives the session a new token, which the response hands out. */
  async rotate(): Promise<void> {
    this.#mustSendCookie()
    if (this.record === null || this.#superseded) return // guard: superseded
    const { id, token, lastAccessedAt } = await this.operations.rotate(this.record)
    this.#accessed({ id, ...(lastAccessedAt !== null && { lastAccessedAt }) })
    this.#superseded = token === null
    if (token !== null) this.#cookie = { issue: token }
  }

  /** Ends the session. The cookie is cleared whatever the store says: only a logout may take it from the browser. */
  async logout(): Promise<void> {
    this.#mustSendCookie()
    await this.#creating
    const { record } = this
    this.record = null
    this.#view = null
    this.#idleTimeout = null
    this.#creating = null
    this.#superseded = false
    this.#cookie = 'clear'
    if (record !== null) await this.operations.destroy(record)
  }

  /** Forgets what has not been committed: the handler failed. */
  discard(): void {
    this.#view = null
    this.#idleTimeout = null
  }

  /** The `Set-Cookie` line that the response owes, if any. Once said, it is paid. */
  takeCookie(): string | null {
    const cookie = this.#cookie
    this.#cookie = null
    if (cookie === null) return null
    const jar = this.operations.settings.cookie
    if (cookie === 'clear') return jar.clear()
    return jar.issue(cookie.issue, this.record && this.record.deadline - this.record.lastAccessedAt)
  }

  /** Whether the response owes a cookie. */
  get owesCookie(): boolean {
    return this.#cookie !== null
  }

  #viewed(): SessionData {
    if (this.#view === null) {
      const stored = this.record === null ? new Map<string, string>() : dataFields(this.record.fields)
      this.#view = new SessionData(stored, this.operations.settings.checker)
    }
    return this.#view
  }

  /** Begins the session. Concurrent callers wait for it instead of beginning another. */
  async #create(data: ReadonlyMap<string, string>): Promise<void> {
    this.#mustSendCookie()
    const creating = this.#begin(data)
    this.#creating = creating
    try {
      await creating
    } finally {
      if (this.#creating === creating) this.#creating = null
    }
  }

  async #createWith(field: string, text: string): Promise<void> {
    await this.#create(new Map([[field, text]]))
    this.#view?.adopt(field, text)
  }

  async #begin(data: ReadonlyMap<string, string>): Promise<void> {
    const { lifetime } = this.operations.settings
    const { idleTimeout } = this
    const { token, id, now } = await this.operations.create({ userId: null, data, idleTimeout, lifetime })
    this.record = {
      id,
      userId: null,
      createdAt: now,
      lastAccessedAt: now,
      idleTimeout,
      deadline: now + lifetime,
      fields: new Map(data),
    }
    this.#cookie = { issue: token }
    this.#idleTimeout = null
  }

  #accessed(news: Partial<SessionRecord>): void {
    if (this.record === null) return
    if (news.id !== undefined && news.id !== this.record.id) this.#superseded = true
    this.record = { ...this.record, ...news }
  }

  /** A field just written, the same object as in the data. That another one does not fit the schema is for whoever reads that. */
  #written(field: string, text: string): unknown {
    try {
      return this.#viewed().values[field]
    } catch {
      return this.operations.settings.checker?.readField(field, text)
    }
  }

  /** The store now holds `text` in `field`. */
  #stored(field: string, text: string | null): void {
    if (this.record === null) return
    const fields = new Map(this.record.fields)
    if (text === null) fields.delete(field)
    else fields.set(field, text)
    this.#accessed({ fields })
    this.#view?.adopt(field, text)
  }

  #refuseUncommitted(field: string): void {
    if (this.#view?.changed(field)) {
      throw new FieldError(
        'ERR_FIELD_UNCOMMITTED',
        field,
        `This request has changed the field '${field}'; commit() first, or write it in one way only.`,
      )
    }
  }

  #mustSendCookie(): void {
    if (this.headSent) throw new HeadersSentError() // guard: head sent
  }
}

/** @throws ArgumentError */
export function checkIncrement(by: number): void {
  if (!Number.isSafeInteger(by)) throw new ArgumentError('An increment must be an integer within ±(2^53 − 1).')
}
