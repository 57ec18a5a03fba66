import { giveUp } from '../../core/deadline.ts'
import type { Operations } from '../../core/operations.ts'
import type { SessionRecord, StoreCall } from '../../core/store.ts'
import { warnOnce } from '../../core/warn.ts'
import { isHandle } from './handles.ts'
import { fieldsOf, mendExpiry, sessionOfJson } from './old-json.ts'
import { LONGEST_COOKIE, type StoreSettings } from './options.ts'
import { LONGEST_IDLE, REMEMBERED, StoredSessions } from './stored-sessions.ts'

/** The sessions that connect-redis keeps, by session id, and what is asked of ours beside the store. */
export interface OldSessions {
  read(sid: string, call: StoreCall): Promise<{ text: string; state: 'theirs' | 'taking' | 'taken' } | null>
  take(sid: string, text: string, call: StoreCall): Promise<{ left: number | null } | 'changed'>
  taken(sid: string, ttl: number, call: StoreCall): Promise<boolean>
  create(sid: string, json: string, ttl: number, call: StoreCall): Promise<void>
  write(sid: string, json: string | null, ttl: number, call: StoreCall): Promise<'ok' | 'taken' | 'gone'>
  destroy(sid: string, call: StoreCall): Promise<void>
  removeField(id: string, field: string, call: StoreCall): Promise<void>
  isOver(id: string, call: StoreCall): Promise<boolean>
}

/** In a session whose old copy may still have to be marked as taken over: then the process that did it has crashed. */
const UNMARKED_FIELD = '_from'

/** Redis looks at its clock now and then, and this process at another one: they tell a time by so many milliseconds apart. */
const CLOCKS_APART = 100

/**
 * Sessions that are taken over from connect-redis, each once and when it is first asked for.
 *
 * The old key and ours hash to different slots of a cluster, so no one script can do it. In this order nothing is lost and
 * nothing comes twice, wherever a process stops: the old copy is marked, so that none of our instances writes it any more, and
 * handed out; ours is created, which only one of several at once does, and nobody under an id that is remembered as over; the
 * copy gets the mark that it has been taken over; ours loses the field that says that the copy may not have it yet.
 */
export class MigratedSessions extends StoredSessions {
  protected readonly old: OldSessions
  protected readonly operations: Operations
  readonly #settings: StoreSettings

  constructor(settings: StoreSettings, old: OldSessions) {
    super(settings)
    this.old = old
    this.operations = settings.operations
    this.#settings = settings
  }

  /** First where connect-redis keeps it: if that fails, nothing was done. */
  override async destroy(sid: string): Promise<void> {
    if (!isHandle(sid)) await this.#destroyOld(sid) // guard: copy ends
    await super.destroy(sid)
  }

  protected override async expire(sid: string, id: string): Promise<void> {
    await this.#destroyOld(sid)
    await super.expire(sid, id)
  }

  protected override load(sid: string, id: string): Promise<SessionRecord | null> {
    return this.operations.call('load', (call) => this.find(sid, id, call))
  }

  protected async find(sid: string, id: string, call: StoreCall): Promise<SessionRecord | null> {
    return this.complete(sid, id, await this.loadOurs(id, call), call)
  }

  /** @param ours what was found there; if nothing, that of connect-redis becomes ours */
  protected async complete(
    sid: string,
    id: string,
    ours: SessionRecord | null,
    call: StoreCall,
  ): Promise<SessionRecord | null> {
    if (ours === null) return this.#takeOver(sid, id, call)
    if (ours.fields.has(UNMARKED_FIELD)) await this.#finish(sid, id, call) // guard: finish
    return ours
  }

  protected async loadOurs(id: string, call: StoreCall): Promise<SessionRecord | null> {
    const found = await this.operations.settings.store.load(id, null, call)
    return found === null || 'status' in found ? null : found
  }

  async #takeOver(sid: string, id: string, call: StoreCall): Promise<SessionRecord | null> {
    let before: string | undefined
    while (true) {
      const askedAt = performance.now()
      const copy = await this.old.read(sid, call)
      if (copy === null) return null
      // Another instance may have been quicker since ours was looked for. Else it has ended since it was taken over.
      if (copy.state === 'taken') return this.loadOurs(id, call) // guard: quicker
      const session = sessionOfJson(copy.text)
      const fields = session && fieldsOf(session)
      // The bytes are no UTF-8 if the text is the same, and yet not what is there.
      const isText = copy.text !== before || !copy.text.includes('\ufffd')
      if (session === null || fields === null || !isText) return foreign()
      const taken = await this.old.take(sid, copy.text, call)
      if (taken !== 'changed') {
        mendExpiry(fields, session, taken.left ?? this.#settings.ttl)
        return this.#keep(sid, id, fields, taken.left, askedAt, call)
      }
      if (call.expired) giveUp(call) // guard: deadline
      before = copy.text
    }
  }

  async #keep(
    sid: string,
    id: string,
    fields: ReadonlyMap<string, string>,
    left: number | null,
    askedAt: number,
    call: StoreCall,
  ): Promise<SessionRecord | null> {
    const created = await this.#create(id, fields, left ?? this.#settings.ttl, call)
    if (created.status !== 'ok') {
      // Logged out a short while ago; a slow write of connect-redis has brought the copy back.
      await this.old.destroy(sid, call) // guard: revived copy
      return null
    }
    const there = await this.old.taken(sid, this.#settings.ttl, call)
    const mayHaveExpired = left !== null && performance.now() - askedAt >= left - CLOCKS_APART
    if (!there && !created.existed && !mayHaveExpired) {
      // Logged out by connect-redis in the meantime.
      await this.#forget(id, call) // guard: ended meanwhile
      return null
    }
    await this.old.removeField(id, UNMARKED_FIELD, call)
    return this.loadOurs(id, call)
  }

  #create(id: string, fields: ReadonlyMap<string, string>, left: number, call: StoreCall) {
    const { operations, lifetime } = this.#settings
    const idleTimeout = Math.max(1, Math.min(left, lifetime ?? LONGEST_IDLE))
    const session = {
      id,
      userId: null,
      fields: new Map([...fields, [UNMARKED_FIELD, '1']]),
      idleTimeout,
      lifetime: lifetime ?? Math.max(LONGEST_COOKIE, idleTimeout),
      maxPerUser: operations.settings.maxPerUser,
      begun: performance.now(),
      note: operations.events.note('created', 'migration'),
    }
    return operations.settings.store.create(session, call)
  }

  /** A process has stopped between creating ours and marking the copy. */
  async #finish(sid: string, id: string, call: StoreCall): Promise<void> {
    await this.old.taken(sid, this.#settings.ttl, call)
    await this.old.removeField(id, UNMARKED_FIELD, call)
  }

  async #forget(id: string, call: StoreCall): Promise<void> {
    const { settings, events } = this.operations
    await settings.store.destroy({ id, userId: null }, events.note('destroyed', 'migration'), call, REMEMBERED)
  }

  async #destroyOld(sid: string): Promise<void> {
    await this.operations.call('destroy', (call) => this.old.destroy(sid, call))
  }
}

export function foreign(): null {
  warnOnce(
    'COATCHECK_FOREIGN_SESSION',
    'A key under migrate.from holds no session that can be taken over: it reads as none and is left alone. Said once.',
  )
  return null
}
