import type { RequestState } from '../../src/core/request-state.ts'
import { seal } from '../../src/core/seals.ts'
import type { Device, Session } from '../../src/core/session.ts'
import type { Note, StoreCall } from '../../src/core/store.ts'
import { touchIsDue, touchSoftly } from '../../src/core/touches.ts'
import { ALWAYS } from '../store-contract.ts'
import type { Cookie, Data, InTime, Login, Operations, Standing, Visit, Who } from './operations.ts'
import { StoreSide } from './stores.ts'

/** A request, the record with which its handler was called, and its session. */
interface Request {
  readonly state: RequestState
  readonly loaded: RequestState['record']
  readonly session: Session<Data>
}

const CLIENT = { userAgent: () => undefined, address: () => '192.0.2.7' }

/** For what is asked of the store itself. */
const CALL: StoreCall = { signal: new AbortController().signal, expired: false, remaining: 1000, outcome: 'none' }
const NOTE: Note = { from: '', type: '', cause: '', actor: null, previous: null }
const NEVER_DUE = Number.MAX_SAFE_INTEGER

/** Requests to a store: what an adapter does, and what a handler can do. */
export class VisitSide extends StoreSide implements InTime<Operations> {
  readonly #requests: Request[] = []
  #abandoned: { ref: { id: string; userId: string | null }; by: string } | null = null

  async open(who: Who): Promise<Standing> {
    const request = {}
    const state = await this.sessions.openRequest(request, `a=b; __Host-sid=${this.token(who)}`, { client: CLIENT })
    const nth = this.#requests.push({ state, loaded: state.record, session: this.sessions.of(request) }) - 1
    return this.#standing({ nth })
  }

  async write(visit: Visit, data: Data): Promise<Standing> {
    Object.assign(this.#session(visit).data, data)
    return this.#standing(visit)
  }

  async login(visit: Visit, userId: string, options: Login): Promise<Standing> {
    await this.#session(visit).login(userId, options)
    return this.#standing(visit)
  }

  async setRoles(visit: Visit, roles: readonly string[]): Promise<Standing> {
    await this.#session(visit).setRoles(roles)
    return this.#standing(visit)
  }

  async rotateHere(visit: Visit): Promise<Standing> {
    await this.#session(visit).rotate()
    return this.#standing(visit)
  }

  async logout(visit: Visit): Promise<Standing> {
    await this.#session(visit).logout()
    return this.#standing(visit)
  }

  async devices(visit: Visit): Promise<Standing> {
    const devices = await this.#session(visit).devices()
    const shown = (device: Device) => ({ ...this.listed(device), current: device.current })
    return this.#standing(visit, devices.map(shown))
  }

  async revokeMine(visit: Visit, who: Who): Promise<Standing> {
    return this.#standing(visit, await this.#session(visit).revoke(this.id(who)))
  }

  async revokeMyDevice(visit: Visit, deviceId: string): Promise<Standing> {
    return this.#standing(visit, await this.#session(visit).revokeDevice(deviceId))
  }

  async revokeMyOthers(visit: Visit): Promise<Standing> {
    return this.#standing(visit, await this.#session(visit).revokeOthers())
  }

  async revokeAllMine(visit: Visit): Promise<Standing> {
    return this.#standing(visit, await this.#session(visit).revokeAll())
  }

  async answer(visit: Visit): Promise<Standing> {
    const { state, loaded } = this.#request(visit)
    const changes = state.pending()
    if (changes !== null) await state.commit(changes)
    else if (loaded !== null && state.record === loaded && touchIsDue(state.operations.settings, loaded)) {
      await touchSoftly(state.operations, loaded)
    }
    return this.#standing(visit)
  }

  async held(who: Who): Promise<string[]> {
    const { operations } = await this.sessions.openRequest({}, undefined)
    const { store } = operations.settings
    const ref = await this.sessions.find(this.id(who))
    if (ref === null) return ['ended']
    const rotation = { grace: 0, reuseWindow: 0, renew: null, set: new Map(), remove: [], note: NOTE }
    const changes = { set: new Map(), remove: [], increments: [], replace: true, idleTimeout: null, requests: 0 }
    const attempts = [
      () => store.seal(ref, 'mine', 60_000, CALL),
      () => store.touch(ref, 0, 0, CALL),
      () => store.commit(ref, changes, ALWAYS, CALL),
      () => store.update(ref, 'n', null, '1', ALWAYS, CALL),
      () => store.rotate(ref, ref.id.replace(/.{3}$/, 'xxw'), rotation, CALL),
      () => store.seal(ref, 'yours', 60_000, CALL),
      async () => ({ status: (await store.write(ref.id, new Map([['n', '1']]), CALL)) ? 'ok' : 'unsure' }),
      () => store.release(ref, 'yours', null, NOTE, CALL),
      () => store.seal(ref, 'yours', 0, CALL),
      () => store.touch(ref, NEVER_DUE, 0, CALL),
      () => store.seal(ref, 'mine', 0, CALL),
      () => store.touch(ref, NEVER_DUE, 0, CALL),
    ]
    const told: string[] = []
    for (const attempt of attempts) told.push((await attempt()).status)
    return told
  }

  async abandon(who: Who): Promise<boolean> {
    const { operations } = await this.sessions.openRequest({}, undefined)
    const ref = await this.sessions.find(this.id(who))
    const sealed = ref && (await seal(operations, ref))
    this.#abandoned = sealed && { ref: sealed.record, by: sealed.by }
    return sealed !== null
  }

  async release(): Promise<string> {
    if (this.#abandoned === null) return 'ended'
    const { ref, by } = this.#abandoned
    const { operations } = await this.sessions.openRequest({}, undefined)
    return (await operations.settings.store.release(ref, by, null, NOTE, CALL)).status
  }

  #request({ nth }: Visit): Request {
    return this.#requests[nth] as Request
  }

  #session(visit: Visit): Session<Data> {
    return this.#request(visit).session
  }

  #standing(visit: Visit, returned?: unknown): Standing {
    const { state, session } = this.#request(visit)
    // First: it may hold a token that nobody knows yet.
    const cookie = this.#cookie(state)
    const { id, ended, userId, roles, authenticatedAt, expiresAt } = session
    const data = Object.entries(session.data)
    return {
      returned,
      cookie,
      ended,
      session: id === null ? null : this.known(id),
      userId,
      roles,
      authenticatedAt: authenticatedAt && authenticatedAt + this.behind(),
      expiresAt: expiresAt && expiresAt + this.behind(),
      data: Object.fromEntries(data.filter(([, value]) => value !== undefined)),
    }
  }

  #cookie(state: RequestState): Cookie {
    const cookie = state.takeCookie()
    if (cookie === null) return null
    const [, token, attributes] = /^__Host-sid=([^;]*);(.*)$/.exec(cookie) ?? []
    if (!token) return 'clear'
    return {
      session: this.given({ token, id: state.record?.id ?? '' }),
      kept: attributes?.includes('Max-Age') ?? false,
    }
  }
}
