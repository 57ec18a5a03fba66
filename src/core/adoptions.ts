import type { AdoptedUser, Adoption } from './adoption.ts'
import { type CreateSession, create, type Started } from './creations.ts'
import { ArgumentError, LoginRevokedError, must, StoreError, UserLimitError } from './errors.ts'
import { readLogin } from './login-options.ts'
import { Operations } from './operations.ts'
import { dataFields } from './record.ts'
import type { Client } from './request-state.ts'
import { seal, unseal } from './seals.ts'
import type { Adopted, SessionRecord, SessionRef } from './store.ts'
import { detailFields } from './user-fields.ts'

/** How often a request tries to adopt a session whose seal did not hold. */
const ATTEMPTS = 3

/** Who asks. */
interface Asked {
  readonly client: Client
  readonly arrivedAt: number
  /** Whether the answer can carry a cookie. */
  readonly cookies: boolean
}

/** A session that goes on here. */
export interface AdoptedSession {
  readonly record: SessionRecord
  /** For the cookie; `null`: another request has adopted the session, and its answer carries the token. */
  readonly issue: string | null
}

/**
 * Takes sessions over from another store, each once, by the same three steps as a login: *seal* the old one (from then on nobody
 * writes to it), *create* the new one with its data, *release* the old one, which ends it if the seal has held and leaves behind,
 * for a while, which session goes on in its place. The two stores never meet in one step. After a crash in between the seal
 * lapses, and the next request adopts the session; nobody has the token of what was begun.
 */
export class Adoptions {
  readonly #adoption: Adoption
  readonly #operations: Operations
  readonly #old: Operations

  /** @throws ConfigError */
  constructor(adoption: Adoption, operations: Operations) {
    must(
      typeof adoption.idOf === 'function' && typeof adoption.inherit === 'function',
      'adopt must have the functions idOf and inherit, as that of expressSessionCookie({ store, secret }) has.',
    )
    must(
      adoption.store !== operations.settings.store,
      'adopt.store must be where the old sessions are kept, another store than that of the new ones.',
    )
    this.#adoption = adoption
    this.#operations = operations
    this.#old = new Operations({ ...operations.settings, store: adoption.store })
  }

  /** The session that the old cookie leads to, adopted now or in a moment before. `null`: none; the request is a visitor's. */
  async open(cookieHeader: string | undefined, asked: Asked): Promise<AdoptedSession | null> {
    const id = this.#adoption.idOf(cookieHeader)
    if (id === null) return null // guard: no old cookie
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const found = await this.#load(id)
      if (found === null) return null
      if ('status' in found) return this.#follow(found)
      if (!asked.cookies) return null // guard: no cookie for the new token
      const sealed = await seal(this.#old, found)
      // Another request has adopted it meanwhile, or it has ended.
      if (sealed === null) continue
      const outcome = await this.#takeOver(sealed.record, sealed.by, asked)
      if (outcome === 'gone') return null
      if (outcome !== 'lapsed') return { record: outcome.record, issue: outcome.token }
    }
    throw new StoreError('ERR_STORE_TIMEOUT', 'The old session could not be adopted in time.', 'none')
  }

  /** Ends the session of the old cookie, if there is one. */
  async end(cookieHeader: string | undefined): Promise<void> {
    const id = this.#adoption.idOf(cookieHeader)
    if (id !== null) await this.#end({ id, userId: null }, 'destroyed', 'logout')
  }

  close(): Promise<void> {
    return this.#old.close()
  }

  async #end(ref: SessionRef, type: 'destroyed' | 'revoked', cause: string): Promise<void> {
    await this.#old.destroy(ref, this.#old.events.note(type, cause), this.#adoption.remember)
  }

  #load(id: string): Promise<SessionRecord | Adopted | null> {
    return this.#old.call('load', async (call) => {
      const found = await this.#adoption.store.load(id, null, call)
      return found !== null && 'status' in found && found.status === 'reused' ? null : found
    })
  }

  async #follow({ successor }: Adopted): Promise<AdoptedSession | null> {
    const record = await this.#operations.load(successor)
    return record && { record, issue: null }
  }

  async #takeOver(old: SessionRecord, by: string, asked: Asked): Promise<Started | 'lapsed' | 'gone'> {
    let started: Started
    try {
      started = await this.#begin(old, asked)
    } catch (error) {
      if (error instanceof LoginRevokedError) {
        // It was to end with all the user's others, which did not know of it.
        await this.#end(old, 'revoked', 'all') // guard: revoked meanwhile
        return 'gone'
      }
      // The old session stays as it was, at once; without this the seal lapses by itself.
      await unseal(this.#old, old, by).catch(lapsesByItself)
      if (error instanceof UserLimitError) return 'gone'
      throw error
    }
    let failure: unknown = null
    let status: 'ok' | 'ended' | 'lapsed' = 'lapsed'
    try {
      status = await this.#release(old, by, started.record.id)
    } catch (error) {
      failure = error
    }
    if (status === 'ok') return started
    // It does not go on here: others may have written to the old one since, or have ended it, which is final.
    const { events } = this.#operations
    await this.#operations.destroy(started.record, events.note('destroyed', 'adopt')).catch(endsByItself)
    if (status === 'ended') return 'gone'
    await unseal(this.#old, old, by).catch(lapsesByItself)
    if (failure !== null) throw failure
    return 'lapsed'
  }

  /**
   * Ends the old session. Where nobody knows whether that was done, it is asked for once more. If nobody knows even then, the
   * adoption stands: with an error the user could be left without the old session and without the new one's token. At worst the
   * old one is adopted once more.
   */
  async #release(old: SessionRecord, by: string, successor: string): Promise<'ok' | 'ended' | 'lapsed'> {
    const { store, grace, remember } = this.#adoption
    const pointer = { successor, ms: grace, remember }
    const note = this.#old.events.note('destroyed', 'adopt')
    const release = () => this.#old.call('release', (call) => store.release(old, by, pointer, note, call))
    try {
      return (await release()).status
    } catch (error) {
      if (error instanceof StoreError && error.outcome === 'none') throw error
      return release().then(({ status }) => status, standsAllTheSame) // guard: unknown release
    }
  }

  async #begin(old: SessionRecord, asked: Asked): Promise<Started> {
    const { settings, events } = this.#operations
    const { user, fields } = await this.#adoption.inherit(old)
    const own = user === null ? null : readUser(user, asked.client, this.#operations)
    const userId = own?.userId ?? null
    const session: CreateSession = {
      userId,
      idleTimeout: own?.idleTimeout ?? settings.idleTimeout,
      lifetime: own?.lifetime ?? settings.lifetime,
      // The request that adopts is the session's first.
      fields: new Map([...dataFields(fields), ...(own?.fields ?? []), ['request_count', '1']]),
      begun: asked.arrivedAt - this.#ageOf(old),
      note: events.note(userId === null ? 'created' : 'login', 'adopt', userId, old.id),
    }
    return create(this.#operations, session)
  }

  /** A log-out-everywhere that came after an old session had begun was meant for it too. */
  #ageOf(old: SessionRecord): number {
    return Math.max(0, (this.#adoption.store.now(old.id) ?? old.createdAt) - old.createdAt)
  }
}

/** Takes over what an adoption leads to: its `takeOver`. @throws ConfigError */
export function takeOver(adoption: Adoption, operations: Operations): Adoptions {
  return new Adoptions(adoption, operations)
}

/** @throws ArgumentError */
function readUser(user: AdoptedUser, client: Client, operations: Operations) {
  const { userId, authenticatedAt, ...options } = user
  const { details, idleTimeout, lifetime } = readLogin(userId, options, { client, operations })
  if (authenticatedAt !== undefined && !(Number.isSafeInteger(authenticatedAt) && authenticatedAt >= 0)) {
    throw new ArgumentError('authenticatedAt must be epoch milliseconds.')
  }
  // Not now: nobody has proved anything. Empty, it reads as unknown.
  const fields = detailFields(details).set('authenticated_at', String(authenticatedAt ?? ''))
  return { userId, idleTimeout, lifetime, fields }
}

function lapsesByItself(): void {}

/** Nobody has its token: its idle timeout ends it. */
function endsByItself(): void {}

function standsAllTheSame(): 'ok' {
  return 'ok'
}
