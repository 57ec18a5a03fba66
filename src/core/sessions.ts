import type { Adoptions } from './adoptions.ts'
import type { CheckableStore, Finding } from './check.ts'
import { encode } from './codec.ts'
import { commit, NO_CHANGES } from './commits.ts'
import { create } from './creations.ts'
import type { Duration } from './duration.ts'
import { ArgumentError, MountError, must, notMounted, SessionEndedError } from './errors.ts'
import { closedError, Events, type SessionEvents } from './events.ts'
import { readValue } from './field-updates.ts'
import { checkField, type DataOf } from './fields.ts'
import type { Health } from './health.ts'
import { checkIdleTimeout, readLimits } from './limits.ts'
import { readDetails } from './login-options.ts'
import { Logins } from './logins.ts'
import type { Monitoring, RecentOptions, SessionStats } from './monitoring.ts'
import { lastMounted, mount, mountedOf } from './mounted.ts'
import { type OpenOptions, openRequest } from './open-request.ts'
import { Operations } from './operations.ts'
import { readOptions, type SessionsOptions } from './options.ts'
import { type SessionInfo, type SessionSnapshot, snapshot } from './record.ts'
import { checkIncrement, type RequestState } from './request-state.ts'
import { rotate } from './rotations.ts'
import { type NumericField, Session } from './session.ts'
import type { Changes, SessionRecord, SessionRef } from './store.ts'
import { checkUserId, idOfToken, isId, isToken, type Token } from './token.ts'
import { touchIsDue, touchNow, touchSoftly } from './touches.ts'
import { detailFields } from './user-fields.ts'
import { type RevokeOptions, UserSessions } from './user-sessions.ts'
import type { SessionEnd, Watches } from './watches.ts'

/** How a session begins, where it differs from the configuration. */
export interface CreateOptions {
  /** The user that the session belongs to: a well-formed string of 1 to 256 bytes. */
  userId?: string
  /** What the user may do. */
  roles?: readonly string[]
  /** How the device is called in the user's list, at most 64 bytes. */
  device?: string
  /** The application's own id of the device. Another session of the user on the same device ends. */
  deviceId?: string
  idleTimeout?: Duration
  lifetime?: Duration
}

/** A session just begun. */
export interface CreatedSession {
  /** The secret for the cookie. Hand it to the browser and forget it. */
  readonly token: Token
  readonly id: string
}

/**
 * Sessions of one application. With an adapter, each request has its own: {@link Sessions.of}. The other methods need no
 * request, for jobs, tests and tools; a token that is none behaves like a session that has ended.
 */
export class Sessions<Data = Record<string, unknown>> {
  readonly #operations: Operations
  readonly #events: Events
  readonly #logins: Logins
  readonly #adoptions: Adoptions | null
  #watches: Watches | null = null
  #closed = false

  /** @throws ConfigError */
  constructor(options: SessionsOptions) {
    const settings = readOptions(options)
    this.#events = new Events(settings.store)
    this.#operations = new Operations(settings, this.#events)
    this.#logins = new Logins(this.#operations, this.#events)
    this.#adoptions = settings.adopt?.takeOver(settings.adopt, this.#operations) ?? null
  }

  /**
   * The session of a request that has passed the adapter.
   * @throws MountError `ERR_MOUNT` when it has not
   */
  of(request: object): Session<Data> {
    const mounted = mountedOf(request, this)
    if (mounted === undefined) throw notMounted()
    return mounted.session as unknown as Session<Data>
  }

  /**
   * Begins a session.
   * @throws ArgumentError, FieldError, DataError, UserLimitError, LoginRevokedError, StoreError
   */
  async create(data: Partial<DataOf<Data>> = {}, options: CreateOptions = {}): Promise<CreatedSession> {
    const { userId } = options
    const details = readDetails(options, { device: () => null, ip: null, remember: false })
    const { token, record } = await create(this.#opened(), {
      userId: userId === undefined ? null : checkUserId(userId),
      ...readLimits(options, this.#operations.settings),
      fields: new Map([...detailFields(details), ...this.#encode(data)]),
      begun: performance.now(),
      note: this.#events.note(userId === undefined ? 'created' : 'login', 'create'),
    })
    return { token, id: record.id }
  }

  /** Reads a session and counts as activity: the idle expiry is extended when that is due (`touchInterval`). `null`: none. */
  async load(token: Token): Promise<SessionSnapshot<Data> | null> {
    const record = isToken(token) ? await this.#opened().load(idOfToken(token), true) : null
    if (record === null) return null
    const operations = this.#operations
    operations.requests.add(record.id)
    const lastAccessedAt = touchIsDue(operations.settings, record) ? await touchSoftly(operations, record) : null
    return this.#snapshot({ ...record, lastAccessedAt: lastAccessedAt ?? record.lastAccessedAt })
  }

  /** Reads a session without counting as activity. `null`: none. */
  async peek(token: Token): Promise<SessionSnapshot<Data> | null> {
    return isToken(token) ? this.find(idOfToken(token)) : null
  }

  /** Extends the idle expiry now. @returns whether there is such a session */
  async touch(token: Token): Promise<boolean> {
    return isToken(token) && touchNow(this.#opened(), refOf(token))
  }

  /**
   * Replaces all data of a session; fields that are not given are removed.
   * @throws SessionEndedError, ArgumentError, FieldError, DataError, StoreError
   */
  async set(token: Token, data: Partial<DataOf<Data>>): Promise<void> {
    await this.#commit(token, { set: this.#encode(data), replace: true })
  }

  /**
   * Changes one field by compare and set: concurrent updates all win.
   * @param change gets the current value (`undefined` if absent) and returns the next (`undefined` removes the field). It may
   *   run more than once, and must not be async.
   * @returns the new value
   * @throws SessionEndedError, FieldError, StoreError
   */
  async update<Field extends keyof Data & string>(
    token: Token,
    field: Field,
    change: (current: Data[Field] | undefined) => Data[Field] | undefined,
  ): Promise<Data[Field] | undefined> {
    checkField(field)
    const text = await this.#opened().update(refOf(token), field, null, change as (current: unknown) => unknown)
    return (text === null ? undefined : readValue(field, text, this.#operations.settings)) as Data[Field] | undefined
  }

  /**
   * Adds to an integer field, atomically; an absent field counts as 0.
   * @param by default 1
   * @returns the new value
   * @throws SessionEndedError, FieldError (`ERR_FIELD_NOT_INTEGER`, `ERR_FIELD_RANGE`), StoreError
   */
  async increment(token: Token, field: NumericField<Data>, by = 1): Promise<number> {
    checkField(field)
    checkIncrement(by)
    const { increments } = await this.#commit(token, { increments: [[field, by]] })
    return increments[0] as number
  }

  /**
   * Changes the idle timeout of one session and extends it by the new one from now, at most to its deadline.
   * @throws ArgumentError, SessionEndedError, StoreError
   */
  async setIdleTimeout(token: Token, idleTimeout: Duration): Promise<void> {
    await this.#commit(token, { idleTimeout: checkIdleTimeout(idleTimeout, this.#operations.settings.lifetime) })
  }

  /** Milliseconds until the session expires without further activity, or `null` if there is none. */
  async timeToLive(token: Token): Promise<number | null> {
    return isToken(token) ? this.#opened().timeToLive(idOfToken(token)) : null
  }

  /**
   * Gives a session a new token. Requests with the old one are served for `rotationGrace`.
   * @returns the new token and id; `token` is `null` when the given one has just been rotated (its new one went to that caller)
   * @throws SessionEndedError, StoreError
   */
  async rotate(token: Token): Promise<{ token: Token | null; id: string }> {
    const rotated = await rotate(this.#opened(), refOf(token))
    return { token: rotated.token, id: rotated.id }
  }

  /** Ends a session. @returns whether there was one @throws StoreError */
  async destroy(token: Token): Promise<boolean> {
    return isToken(token) && this.#opened().destroy(refOf(token), this.#events.note('destroyed', 'destroy'))
  }

  /** Reads a session by its id, without counting as activity. `null`: none. */
  async find(id: string): Promise<SessionSnapshot<Data> | null> {
    const record = isId(id) ? await this.#opened().load(id) : null
    return record && this.#snapshot(record)
  }

  /** Ends a session by its id, from outside. @returns whether there was one @throws StoreError */
  async revoke(id: string, { actor }: RevokeOptions = {}): Promise<boolean> {
    const note = this.#events.note('revoked', 'revoke', actor)
    return isId(id) && this.#opened().destroy({ id, userId: null }, note)
  }

  /**
   * The sessions of one user: list, revoke, log out everywhere, roles.
   * @throws ArgumentError for what is no user id: a well-formed string of 1 to 256 bytes
   */
  user(userId: string): UserSessions {
    return new UserSessions(this.#opened(), userId)
  }

  /**
   * Ends every session, of everybody, and refuses logins that began before. The cost grows with the number of sessions; each
   * step has a deadline of its own.
   * @returns how many have ended
   * @throws StoreError: what has ended by then has ended; call again
   */
  async revokeEveryone({ actor }: RevokeOptions = {}): Promise<number> {
    const { revokeEveryone } = await import('./revoke-everyone.ts')
    return revokeEveryone(this.#opened(), this.#events.note('revoked', 'everyone', actor))
  }

  /** How many sessions are alive. By index: the cost does not grow with their number. */
  async count(): Promise<number> {
    return (await this.#monitoring()).count()
  }

  /** How many sessions and users there are, and what this process has seen. By index: the cost does not grow with their number. */
  async stats(): Promise<SessionStats> {
    return (await this.#monitoring()).stats()
  }

  /**
   * How many sessions were last accessed within each of these times, such as `['1m', '5m', '30m']`.
   * @throws ArgumentError; ConfigError when the store was told `monitoring: false`
   */
  async countByIdleAge(within: readonly Duration[]): Promise<number[]> {
    return (await this.#monitoring()).countByIdleAge(within)
  }

  /**
   * The sessions accessed last, the latest first (as stored: a touch may be up to `touchInterval` behind).
   * @param limit 1 to 1000, default 50
   * @throws ArgumentError; ConfigError when the store was told `monitoring: false`
   */
  async recent<Field extends keyof Data & string = never>(
    limit = 50,
    options: RecentOptions<Field> = {},
  ): Promise<(SessionInfo & { data: Partial<Pick<Data, Field>> })[]> {
    return (await this.#monitoring()).recent(limit, options) as never
  }

  /**
   * Calls `listener` with what becomes of sessions: with what this process does before the call that does it resolves, with
   * what others do as the store tells it (missing a message never weakens a promise). The same events are on the
   * `node:diagnostics_channel` `coatcheck:session`; those of other processes only while something listens here.
   *
   * A listener that throws, or is async and rejects, breaks neither the request that is served nor other listeners: the error
   * is in a warning (`COATCHECK_LISTENER`), every time.
   * @returns stops listening
   */
  on<Type extends keyof SessionEvents>(type: Type, listener: (event: SessionEvents[Type]) => unknown): () => void {
    return this.#opened().events.on(type, listener)
  }

  /**
   * Calls `onEnded` once when a session ends: by logout, login, revoke, limit or expiry, in any process, within about a second.
   * Follows the session over rotations. A shorter idle timeout that the session is given meanwhile, other than by a login, is
   * not noticed before the session would have ended with the one that it had. What `onEnded` throws is a warning, as with
   * {@link Sessions.on}. It is never called before `watch` has returned, nor when `watch` fails.
   * @param id of a session; of one that has ended already, `onEnded` is called soon
   * @returns stops watching
   * @throws StoreError
   */
  async watch(id: string, onEnded: (end: SessionEnd) => unknown): Promise<() => void> {
    // Loaded by who watches.
    const { Watches } = await import('./watches.ts')
    const operations = this.#opened()
    this.#watches ??= new Watches(operations, this.#events)
    return this.#watches.watch(id, onEnded)
  }

  /**
   * How the store is, for a load balancer's check: `up` or `down`, since when, the last error, how long calls take. Costs nothing
   * while others use the store; asks the store if it has not served this process for a second, and answers within half of
   * `storeTimeout`, at most 500 ms. Never rejects. After {@link Sessions.close} it is `down`.
   */
  async health(): Promise<Health> {
    return this.#operations.calls.health()
  }

  /**
   * What is wrong with the store for sessions, and what to do about each: with Redis, its eviction policy, persistence, memory,
   * version, the rights of its user, the state of a cluster. Changes nothing. Empty: all is well, as far as it may be asked.
   * @throws StoreError when the store does not answer; its message says why
   */
  async check(): Promise<Finding[]> {
    const { store, storeTimeout } = this.#opened().settings
    return (await (store as Partial<CheckableStore>).check?.(storeTimeout)) ?? []
  }

  /** Waits for touches on their way and ends what the store has started; never closes your Redis client. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#watches?.close()
    await this.#adoptions?.close()
    await this.#operations.close()
  }

  /** For adapters: opens the session of a request, a visitor's at once, and makes it known to {@link Sessions.of}. @internal */
  openRequest(
    request: object,
    cookieHeader: string | undefined,
    options?: OpenOptions,
  ): RequestState | Promise<RequestState> {
    if (mountedOf(request, this) !== undefined) {
      throw new MountError('The session adapter is mounted twice for this request; mount it once, before the routes.')
    }
    return openRequest(this.#opened(), cookieHeader, options, this.#adoptions, (state) => {
      const session = new Session<Data>(state, this.#logins) as unknown as Session<never>
      mount(request, { sessions: this, state, session, note: options?.note, before: lastMounted(request) })
      return state
    })
  }

  /** Not a getter: V8 goes a long way round to a private one, and each request comes by. */
  #opened(): Operations {
    if (this.#closed) throw closedError()
    return this.#operations
  }

  /** Loaded by who asks: no request does. */
  async #monitoring(): Promise<Monitoring> {
    const { Monitoring } = await import('./monitoring.ts')
    return new Monitoring(this.#opened())
  }

  #snapshot(record: SessionRecord): SessionSnapshot<Data> {
    return snapshot(record, this.#operations.settings.checker)
  }

  #encode(data: object): Map<string, string> {
    // Anything else has entries of another kind, or none: replacing the data by these would lose it.
    must(
      Object.prototype.toString.call(data) === '[object Object]',
      'Session data must be an object whose properties are the fields.',
      ArgumentError,
    )
    const fields = new Map<string, string>()
    for (const [field, value] of Object.entries(data)) {
      checkField(field)
      if (value !== undefined) fields.set(field, encode(field, value))
    }
    this.#operations.settings.checker?.checkWrite(fields)
    return fields
  }

  async #commit(token: Token, changes: Partial<Changes>) {
    return commit(this.#opened(), refOf(token), { ...NO_CHANGES, ...changes })
  }
}

/** @throws SessionEndedError: what is no token leads to no session */
function refOf(token: Token): SessionRef {
  if (!isToken(token)) throw new SessionEndedError() // guard: token
  return { id: idOfToken(token), userId: null }
}
