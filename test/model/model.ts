import { type Details, expiryOf, type Living, touchEvery } from './entries.ts'
import {
  type Cookie,
  type Data,
  type Handle,
  type Login,
  type Operations,
  Refused,
  type Standing,
  type Visit,
  type Who,
} from './operations.ts'
import { Outside } from './outside.ts'
import { changed, checkDetails, checkField, checkUserId, differences } from './values.ts'

// What coatcheck promises, as plainly as it can be said. It shares nothing with src/, so that a mistake made there is not
// made here too.

/** One request. What it knows of its session is from when it last looked; others may have changed it since. */
interface Request {
  openedAt: number
  readonly ended: boolean
  session: Handle | null
  /** The session as this request knows it. */
  known: Living | null
  /** `session.data`. */
  values: Map<string, unknown>
  cookie: Cookie
  /** Somebody else has the session's token. */
  superseded: boolean
  /** Nothing has been written in it. */
  readsOnly: boolean
}

/** The address from which all requests come, as far as it is kept. */
const NETWORK = '192.0.2.0'

/** The one among the texts that nobody was given which is a token. */
const TOKEN = /^[\w-]{42}[AEIMQUYcgkosw048]$/

const EMPTY: ReadonlyMap<string, unknown> = new Map()

export class Model extends Outside implements Operations {
  readonly #requests: (Request | null)[] = []

  /** Those that have not been answered. */
  visits(): Visit[] {
    return [...this.#requests.keys()].filter((nth) => this.#requests[nth]).map((nth) => ({ nth }))
  }

  /** The sessions of these, as far as they know. */
  visited(): Handle[] {
    return this.visits().flatMap((visit) => this.#request(visit).session ?? [])
  }

  /** No request lasts for half an hour, and no seal. */
  dropVisits(): void {
    this.#requests.fill(null)
    this.sealed = null
  }

  open(who: Who): Standing {
    const session = this.followToken(who)
    const cookie = typeof who === 'number' || TOKEN.test(who)
    const request: Request = {
      openedAt: this.now,
      ended: cookie && session === null,
      session,
      known: session === null ? null : this.of(session),
      values: new Map(structuredClone(session === null ? EMPTY : this.of(session).data)),
      cookie: null,
      superseded: session !== who,
      readsOnly: true,
    }
    const visit = { nth: this.#requests.push(request) - 1 }
    const { rotateEvery } = this.rules
    const { known } = request
    if (rotateEvery !== undefined && known && this.now - (known.rotatedAt ?? known.createdAt) >= rotateEvery) {
      this.#rotate(request, 'periodic')
      request.readsOnly = true
    }
    return this.#standing(visit)
  }

  write(visit: Visit, data: Data): Standing {
    const { values } = this.#request(visit)
    for (const [field, value] of Object.entries(data)) {
      if (field === '__proto__') checkField(field)
      values.set(field, value)
    }
    return this.#standing(visit)
  }

  login(visit: Visit, userId: string, options: Login): Standing {
    const request = this.#request(visit)
    const { data = 'keep', remember } = options
    const lifetime = remember?.lifetime ?? this.rules.lifetime
    const idleTimeout = remember?.idleTimeout ?? Math.min(this.rules.idleTimeout, lifetime)
    checkUserId(userId)
    if (lifetime < 1 || idleTimeout < 1 || idleTimeout > lifetime) throw new Refused('ERR_ARGUMENT')
    const details = { ...checkDetails(options), ip: NETWORK, remembered: remember !== undefined }
    const { known } = request
    const changes = differences(known?.data ?? EMPTY, request.values)
    const isAnothers = known !== null && known.userId !== null && known.userId !== userId
    const keeps = data === 'keep' && !isAnothers
    const at = request.session === null ? null : this.follow(request.session)

    if (known !== null && at !== null && keeps && known.userId === userId && onSameDevice(known, details)) {
      const { deviceId } = known
      const { now } = this
      const renewed = { createdAt: now, authenticatedAt: now, deadline: now + lifetime, idleTimeout }
      const news = { ...details, deviceId, ...renewed }
      // What the request has changed is written at its end.
      this.#hands(request, this.replace(at, 0, 'login', news), news)
      return this.#standing(visit)
    }
    const isMissed = known !== null && known.data.size + changes.set.size + changes.remove.length > 0
    if (at === null && keeps && isMissed) throw new Refused('ERR_SESSION_ENDED')
    const own = keeps ? changed(at === null ? EMPTY : this.of(at).data, changes) : EMPTY
    const session = this.begin({ userId, lifetime, idleTimeout, ...details, data: own }, request.openedAt, at)
    this.tell('login', 'login', session, at)
    if (at !== null) this.end(at, 'destroyed', 'login')
    this.#hands(request, session, this.of(session))
    request.values = new Map(structuredClone(own))
    return this.#standing(visit)
  }

  setRoles(visit: Visit, roles: readonly string[]): Standing {
    const request = this.#request(visit)
    const details = checkDetails({ roles })
    const session = request.session === null ? null : this.follow(request.session)
    if (session === null) throw new Refused('ERR_SESSION_ENDED')
    const news = { roles: details.roles }
    this.#hands(request, this.replace(session, 0, 'roles', news), news)
    return this.#standing(visit)
  }

  rotateHere(visit: Visit): Standing {
    this.#rotate(this.#request(visit), 'rotate')
    return this.#standing(visit)
  }

  logout(visit: Visit): Standing {
    const request = this.#request(visit)
    const session = request.session === null ? null : this.follow(request.session)
    if (session !== null) this.end(session, 'destroyed', 'logout')
    this.#forget(request)
    return this.#standing(visit)
  }

  devices(visit: Visit): Standing {
    const request = this.#request(visit)
    const own = this.listOf(this.#userOf(request))
    const current = this.#here(request)
    return this.#standing(
      visit,
      own.map((session) => ({ ...session, current: session.session === current })),
    )
  }

  revokeMine(visit: Visit, who: Who): Standing {
    const request = this.#request(visit)
    const userId = this.#userOf(request)
    // Whether it leads to this request's own. One that has ended takes no cookie with it: a rotation may have issued another.
    const isMine = request.session !== null && this.follow(who) === request.session
    const revoked = this.revokeOf(userId, who)
    if (isMine) this.#forget(request)
    return this.#standing(visit, revoked)
  }

  revokeMyDevice(visit: Visit, deviceId: string): Standing {
    const request = this.#request(visit)
    const isMine = deviceId === request.known?.deviceId
    const revoked = this.revokeDeviceOf(this.#userOf(request), deviceId)
    if (isMine) this.#forget(request)
    return this.#standing(visit, revoked)
  }

  revokeMyOthers(visit: Visit): Standing {
    const request = this.#request(visit)
    return this.#standing(visit, this.revokeOthersOf(this.#userOf(request), request.session ?? ''))
  }

  revokeAllMine(visit: Visit): Standing {
    const request = this.#request(visit)
    const revoked = this.revokeAllOf(this.#userOf(request))
    this.#forget(request)
    // It may log in again.
    request.openedAt = this.now
    return this.#standing(visit, revoked)
  }

  answer(visit: Visit): Standing {
    const request = this.#request(visit)
    const { known } = request
    // Whatever becomes of it, the request is over.
    this.#requests[visit.nth] = null
    const changes = differences(known?.data ?? EMPTY, request.values)
    const hasChanged = changes.set.size > 0 || (known !== null && changes.remove.length > 0)
    if (hasChanged) this.#commit(request, changes)
    else if (known !== null && request.readsOnly) this.#touch(request.session as Handle, known)
    return this.#standingOf(request)
  }

  held(who: Who): string[] {
    const session = this.follow(who)
    if (session === null) return ['ended']
    this.change(session, { bearsSeal: false })
    return ['ok', ...Array(5).fill('sealed'), 'unsure', 'lapsed', 'ended', 'sealed', 'ended', 'ok']
  }

  #abandoned: Handle | null = null

  abandon(who: Who): boolean {
    this.#abandoned = this.sealed = this.follow(who)
    if (this.#abandoned !== null) this.change(this.#abandoned, { bearsSeal: true })
    return this.#abandoned !== null
  }

  release(): string {
    return this.#abandoned !== null && this.stored().has(this.#abandoned) ? 'lapsed' : 'ended'
  }

  #rotate(request: Request, cause: string): void {
    if (request.session === null || request.superseded) return
    const session = this.follow(request.session)
    if (session === null) throw new Refused('ERR_SESSION_ENDED')
    if (session === request.session) this.#hands(request, this.replace(session, this.rules.rotationGrace, cause), {})
    // Somebody else has done so, and hands out the token.
    else this.#goesOn(request, session, {})
  }

  #commit(request: Request, changes: ReturnType<typeof differences>): void {
    const { known } = request
    if (request.session === null || known === null) {
      const { lifetime, idleTimeout } = this.rules
      const details: Details = { roles: [], device: null, deviceId: null, ip: null, remembered: false }
      const data = changed(EMPTY, changes)
      const session = this.begin({ userId: null, lifetime, idleTimeout, ...details, data }, this.now)
      this.tell('created', 'request', session)
      this.#hands(request, session, this.of(session))
      return
    }
    const session = this.follow(request.session)
    if (session === null) throw new Refused('ERR_SESSION_ENDED')
    const { bearsSeal, data } = this.of(session)
    const isFresh = this.now - known.lastAccessedAt < touchEvery(this.rules, known.idleTimeout)
    // Then nothing is looked at but whether the session is there, and nothing heard of what others have done to it.
    const isPlain = isFresh && changes.remove.length === 0 && session === request.session && !bearsSeal
    if (isPlain) this.change(session, { data: changed(data, changes) })
    else this.written(session, { data: changed(data, changes) })
    this.#goesOn(request, session, { data: changed(known.data, changes) })
    if (isPlain) request.known = { ...(request.known as Living), lastAccessedAt: known.lastAccessedAt }
  }

  /** Fails soft, and looks at the session again. */
  #touch(at: Handle, known: Living): void {
    const every = touchEvery(this.rules, known.idleTimeout)
    const session = this.follow(at)
    if (session === null || this.now - known.lastAccessedAt < every) return
    if (this.now - this.of(session).lastAccessedAt >= every) this.access(session)
  }

  /** The request hands out the session's token from now on. */
  #hands(request: Request, session: Handle, news: Partial<Living>): void {
    this.#goesOn(request, session, news)
    request.superseded = false
    request.cookie = { session, kept: this.of(session).remembered }
  }

  /** The session has another token meanwhile, or none. Of what others have done to it the request hears nothing. */
  #goesOn(request: Request, session: Handle, news: Partial<Living>): void {
    if (session !== request.session) request.superseded = true
    const { lastAccessedAt } = this.of(session)
    request.session = session
    request.known = { ...(request.known as Living), ...news, lastAccessedAt }
    request.readsOnly = false
  }

  #forget(request: Request): void {
    Object.assign(request, { session: null, known: null, values: new Map(), cookie: 'clear', superseded: false })
    request.readsOnly = false
  }

  #here({ session }: Request): Handle | null {
    return session === null ? null : this.follow(session)
  }

  #userOf({ known }: Request): string {
    if (known?.userId == null) throw new Refused('ERR_SESSION_ENDED')
    return known.userId
  }

  #request({ nth }: Visit): Request {
    return this.#requests[nth] as Request
  }

  #standing(visit: Visit, returned?: unknown): Standing {
    return this.#standingOf(this.#request(visit), returned)
  }

  #standingOf(request: Request, returned?: unknown): Standing {
    const { cookie, ended, session, known, values } = request
    request.cookie = null
    const { userId, roles, authenticatedAt } = known ?? { userId: null, roles: [], authenticatedAt: null }
    const data = Object.fromEntries([...values].filter(([, value]) => value !== undefined))
    const expiresAt = known && expiryOf(known)
    return { returned, cookie, ended, session, userId, roles, authenticatedAt, expiresAt, data }
  }
}

/** A login that says nothing of it is on the device of before. */
function onSameDevice(known: Details, { deviceId }: Details): boolean {
  return deviceId === null || deviceId === known.deviceId
}
