import { commit, NO_CHANGES } from './commits.ts'
import { create, type Started } from './creations.ts'
import { ArgumentError, FieldError, HeadersSentError, SessionEndedError, type StoreError } from './errors.ts'
import { encodeField } from './field-updates.ts'
import { checkField } from './fields.ts'
import type { LoggedIn, LoginRequest, Logins } from './logins.ts'
import type { Operations } from './operations.ts'
import { dataFields } from './record.ts'
import { replaceToken, rotate } from './rotations.ts'
import { SessionData, UNCHANGED } from './session-data.ts'
import type { Changes, SessionRecord } from './store.ts'
import type { Token } from './token.ts'
import { noticingWrites } from './unread-data.ts'
import { isRemembered, numberOf } from './user-fields.ts'

type Cookie = { issue: Token } | 'clear' | null

/** What an adapter knows of whoever sent a request. Asked only when a login keeps it. */
export interface Client {
  /** The `User-Agent` header. */
  userAgent(): string | undefined
  /** The address, as far as the framework can tell behind its proxies. */
  address(): string | undefined
  /** Whether the request counts as activity. Default: it does. */
  isActive?(): boolean
  /** Whether the request is served as a visitor's if the store fails as its session is read. Only `true` is a yes. */
  serveAsVisitor?(): boolean
  /** Whether a handler has failed since this was last asked, where the framework tells nobody so: then its changes are discarded. */
  hasFailed?(): boolean
}

/** Nobody that anything is known of. */
export const UNKNOWN_CLIENT: Client = { userAgent: () => undefined, address: () => undefined }

/** What is known of a request as it comes. */
export interface Arrival {
  readonly client: Client
  /** When it came, by `performance.now()`. */
  readonly arrivedAt: number
  readonly headSent: boolean
  /** Ends the session that the request's other cookie, of another library, may lead to. */
  readonly endOld: (() => Promise<void>) | undefined
}

/** What has come of it as its session was read. */
export interface Opened {
  readonly ended?: boolean
  readonly superseded?: boolean
  /** The token of the session, if it has begun with this request. */
  readonly begun?: Token
  /** Why the session could not be read, of a request that is served as a visitor's all the same. */
  readonly failure?: StoreError | null
}

/**
 * One request's session: what was loaded, what has changed, and which cookie the response owes the browser. The session
 * object that applications use and the adapters both work on this.
 */
export class RequestState {
  readonly #operations: Operations
  #record: SessionRecord | null
  /** The request came with a token whose session does not exist (any more). */
  readonly ended: boolean
  readonly client: Client
  /** Why the session could not be read: then nothing can be written either, and no cookie is sent. */
  readonly failure: StoreError | null
  /** When the request came, by `performance.now()`. */
  #arrivedAt: number
  /** Set by the adapter once the head of the response has left: from then on no cookie can be sent. */
  headSent: boolean
  /** How many requests came with the session before this one. */
  #before: number
  /** The request is among those that the session counts. */
  #counted: boolean
  #view: SessionData | null = null
  /** The data in place of those that could not be read, and whether they were written to. */
  #unread: Record<string, unknown> | null = null
  #wroteUnread = false
  #idleTimeout: number | null = null
  #cookie: Cookie
  #creating: Promise<void> | null = null
  /** Another request has rotated the session: its response hands out the new token, and this one's must not. */
  #superseded: boolean
  readonly #endOld: (() => Promise<void>) | undefined

  constructor(
    operations: Operations,
    record: SessionRecord | null,
    { client, arrivedAt, headSent, endOld }: Arrival,
    { ended = false, superseded = false, begun, failure = null }: Opened = {},
  ) {
    this.#operations = operations
    this.#record = record
    this.ended = ended
    this.#cookie = begun === undefined ? null : { issue: begun }
    this.#counted = begun !== undefined
    const isNew = record === null || begun !== undefined
    this.#before = isNew ? 0 : (numberOf(record, 'request_count') ?? 0) + operations.requests.of(record.id)
    this.#superseded = superseded
    this.client = client
    this.#arrivedAt = arrivedAt
    this.headSent = headSent
    this.failure = failure
    this.#endOld = endOld
  }

  get operations(): Operations {
    return this.#operations
  }

  /** The stored session, as far as this request knows it; `null` while there is none. */
  get record(): SessionRecord | null {
    return this.#record
  }

  /** The session data. Decoded on first use, so that a request that does not look pays nothing. */
  get data(): Record<string, unknown> {
    this.#noticeFailure()
    const { values } = this.#viewed()
    if (this.failure === null) return values
    this.#unread ??= noticingWrites(values, () => {
      this.#wroteUnread = true
    })
    return this.#unread
  }

  /** How many requests have come with this session, this one included: as it was when this one came. */
  get requestCount(): number {
    return this.#record === null ? 0 : this.#before + 1
  }

  /** Counts this request, once, with the next touch or commit of its session that tells the store of it. */
  count(): void {
    if (this.#counted || this.#record === null) return
    this.#counted = true
    this.#operations.requests.add(this.#record.id)
  }

  get idleTimeout(): number {
    this.#noticeFailure()
    return this.#idleTimeout ?? this.#record?.idleTimeout ?? this.#operations.settings.idleTimeout
  }

  /** What the next commit would write, or `null`. Throws FieldError or DataError for what cannot be stored. */
  pending(): Changes | null {
    this.#noticeFailure()
    const changes = this.#view?.changes()
    if (this.#wroteUnread) return { ...NO_CHANGES, ...changes } // guard: write to what was not read
    if (this.#idleTimeout === null && !changes?.set.size && !changes?.remove.length) return null
    // An idle timeout alone begins no session: there is nothing to keep.
    if (this.#record === null && !changes?.set.size && this.failure === null) return null
    return { ...NO_CHANGES, ...changes, idleTimeout: this.#idleTimeout }
  }

  /** Writes `changes`: begins the session if there is none, else commits to it. */
  async commit(changes: Changes | null = this.pending()): Promise<void> {
    if (changes === null) return
    this.mustBeRead()
    if (this.#record === null && this.#creating === null) {
      await this.#create(changes.set)
      this.#view?.committed(changes)
      return
    }
    await this.#creating
    if (this.#record === null) throw new SessionEndedError() // guard: ended
    this.count()
    const { id, lastAccessedAt } = await commit(this.#operations, this.#record, changes)
    // Logged out meanwhile: what this request holds now belongs to no session yet.
    if (this.#record === null) return // guard: logged out meanwhile
    const { set, remove, idleTimeout } = changes
    this.#view?.committed({ set, remove })
    if (idleTimeout === this.#idleTimeout) this.#idleTimeout = null
    const fields = new Map(this.#record.fields)
    for (const [field, text] of set) fields.set(field, text)
    for (const field of remove) fields.delete(field)
    this.#accessed({ id, lastAccessedAt, fields, ...(idleTimeout !== null && { idleTimeout }) })
  }

  /** Increments a field in the store, at once. */
  async increment(field: string, by: number): Promise<number> {
    checkField(field) // guard: field name
    checkIncrement(by)
    this.mustBeRead()
    this.#refuseUncommitted(field) // guard: uncommitted field
    if (this.#record === null && this.#creating === null) {
      await this.#createWith(field, String(by))
      return by
    }
    await this.#creating
    const record = this.#begun()
    this.count()
    const { id, lastAccessedAt, increments } = await commit(this.#operations, record, {
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
    this.mustBeRead()
    this.#refuseUncommitted(field) // guard: uncommitted field
    if (this.#record === null && this.#creating === null) {
      const value = change(undefined)
      if (value !== undefined) await this.#createWith(field, encodeField(field, value, this.#operations.settings))
      return value
    }
    await this.#creating
    const record = this.#begun()
    const text = await this.#operations.update(record, field, record.fields.get(field) ?? null, change)
    this.#stored(field, text)
    // A field that is gone may still have an inherited namesake, such as `constructor`.
    return text === null ? undefined : this.#written(field, text)
  }

  setIdleTimeout(ms: number): void {
    this.#noticeFailure()
    this.#idleTimeout = ms
  }

  /** Gives the session a new token, which the response hands out. */
  async rotate(cause?: string): Promise<void> {
    this.#ready()
    if (this.#record === null || this.#superseded) return // guard: superseded
    const { id, token, lastAccessedAt } = await rotate(this.#operations, this.#record, cause)
    this.#accessed({ id, lastAccessedAt })
    this.#superseded = token === null
    if (token !== null) this.#cookie = { issue: token }
  }

  /** Binds the session to a user. */
  async login(logins: Logins, request: Omit<LoginRequest, 'changes' | 'begun'>): Promise<void> {
    this.#ready()
    this.#noticeFailure()
    await this.#creating
    this.count()
    const changes = this.#view?.changes() ?? UNCHANGED
    const before = this.#record
    const started = await logins.login(before, { ...request, changes, begun: this.#arrivedAt })
    this.#goOn(started)
    this.#counted = true
    if (!started.continued) this.#before = 0
    this.#idleTimeout = null
    if (this.#view === null) return
    if (started.keptData) rebase(this.#view, before, started)
    else for (const field of Object.keys(this.#view.values)) this.#view.adopt(field, null)
  }

  /** Gives the session a new token, from now on the only one, and other roles. */
  async setRoles(roles: string | null): Promise<void> {
    this.#ready()
    await this.#creating
    const record = this.#begun()
    const started = await replaceToken(this.#operations, record, {
      note: this.#operations.events.note('rotated', 'roles', record.userId),
      renew: null,
      set: new Map(roles === null ? [] : [['roles', roles]]),
      remove: roles === null ? ['roles'] : [],
    })
    if (started === null) throw new SessionEndedError()
    this.#goOn(started)
  }

  /** Ends the session. The cookie is cleared whatever the store says: only a logout may take it from the browser. */
  async logout(): Promise<void> {
    this.#ready()
    await this.#creating
    const record = this.forget()
    const note = this.#operations.events.note('destroyed', 'logout', record?.userId)
    // Else the next request would adopt it: logged in again.
    const old = this.#endOld?.()
    await Promise.all([old, record && this.#operations.destroy(record, note)])
  }

  /** The request itself has logged its user out everywhere: what it begins from now on comes after that. */
  beginAnew(): void {
    this.#arrivedAt = performance.now()
  }

  /** The session is over, and the response takes the cookie away. @returns what it was */
  forget(): SessionRecord | null {
    const record = this.#record
    this.#record = null
    this.discard()
    this.#creating = null
    this.#superseded = false
    this.#cookie = 'clear'
    return record
  }

  /** Forgets what has not been committed: the handler failed. */
  discard(): void {
    this.#view = null
    this.#unread = null
    this.#wroteUnread = false
    this.#idleTimeout = null
  }

  /** The `Set-Cookie` line that the response owes, if any. Once said, it is paid. */
  takeCookie(): string | null {
    const cookie = this.#cookie
    this.#cookie = null
    if (cookie === null) return null
    const jar = this.#operations.settings.cookie
    if (cookie === 'clear') return jar.clear()
    const remaining = this.#record && this.#record.deadline - this.#record.lastAccessedAt
    return jar.issue(cookie.issue, remaining, isRemembered(this.#record))
  }

  /** Whether the response owes a cookie. */
  get owesCookie(): boolean {
    return this.#cookie !== null
  }

  /** Before what ends a token or hands one out. @throws StoreError, HeadersSentError */
  #ready(): void {
    this.mustBeRead()
    this.mustSendCookie()
  }

  /** @throws SessionEndedError */
  #begun(): SessionRecord {
    if (this.#record === null) throw new SessionEndedError() // guard: ended
    return this.#record
  }

  /** The session goes on with another token, or another one in its place. */
  #goOn({ record, token }: Started): void {
    this.#record = record
    this.#superseded = false
    this.#cookie = { issue: token }
  }

  #viewed(): SessionData {
    if (this.#view === null) {
      this.#view = new SessionData(this.#record?.fields, this.#operations.settings.checker)
    }
    return this.#view
  }

  /** Begins the session. Concurrent callers wait for it instead of beginning another. */
  async #create(data: ReadonlyMap<string, string>): Promise<void> {
    this.mustSendCookie()
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
    const { lifetime } = this.#operations.settings
    const { idleTimeout } = this
    const { token, record } = await create(this.#operations, {
      userId: null,
      fields: new Map([...data, ['request_count', '1']]),
      idleTimeout,
      lifetime,
      begun: this.#arrivedAt,
      note: this.#operations.events.note('created', 'request'),
    })
    this.#counted = true
    this.#before = 0
    this.#record = record
    this.#cookie = { issue: token }
    this.#idleTimeout = null
  }

  #accessed(news: Partial<SessionRecord>): void {
    if (this.#record === null) return
    if (news.id !== undefined && news.id !== this.#record.id) this.#superseded = true
    this.#record = { ...this.#record, ...news }
  }

  /** A field just written, the same object as in the data. That another one does not fit the schema is for whoever reads that. */
  #written(field: string, text: string): unknown {
    try {
      return this.#viewed().values[field]
    } catch {
      return this.#operations.settings.checker?.readField(field, text)
    }
  }

  /** The store now holds `text` in `field`. */
  #stored(field: string, text: string | null): void {
    if (this.#record === null) return
    const fields = new Map(this.#record.fields)
    if (text === null) fields.delete(field)
    else fields.set(field, text)
    this.#accessed({ fields })
    this.#view?.adopt(field, text)
  }

  /** Before anything is done with what has not been committed. */
  #noticeFailure(): void {
    if (this.client.hasFailed?.() === true) this.discard() // guard: discard in Hono
  }

  #refuseUncommitted(field: string): void {
    this.#noticeFailure()
    if (this.#view?.changed(field)) {
      throw new FieldError(
        'ERR_FIELD_UNCOMMITTED',
        field,
        `This request has changed the field '${field}'; commit() first, or write it in one way only.`,
      )
    }
  }

  /** @throws StoreError, the one with which the reading of the session has failed */
  mustBeRead(): void {
    if (this.failure !== null) throw this.failure // guard: unread session
  }

  /** @throws HeadersSentError */
  mustSendCookie(): void {
    if (this.headSent) throw new HeadersSentError() // guard: head sent
  }
}

/** After a login: what the application holds as `data` is the new session's; what others wrote to the old one meanwhile is in it. */
function rebase(view: SessionData, before: SessionRecord | null, { record, committed }: LoggedIn): void {
  view.committed(committed)
  const known = before === null ? new Map<string, string>() : dataFields(before.fields)
  const stored = dataFields(record.fields)
  for (const field of new Set([...known.keys(), ...stored.keys()])) {
    const text = stored.get(field) ?? null
    if (text !== (known.get(field) ?? null) && !view.changed(field)) view.adopt(field, text)
  }
}

/** @throws ArgumentError */
export function checkIncrement(by: number): void {
  if (!Number.isSafeInteger(by)) throw new ArgumentError('An increment must be an integer within ±(2^53 − 1).')
}
