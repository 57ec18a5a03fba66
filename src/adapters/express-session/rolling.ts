import { SessionEndedError } from '../../core/errors.ts'
import type { SessionRecord, StoreCall } from '../../core/store.ts'
import { isHandle } from './handles.ts'
import { knownOf } from './known.ts'
import { foreign, MigratedSessions } from './migration.ts'
import { fieldsOf, sessionOfJson } from './old-json.ts'
import { idOfSid } from './sid.ts'
import type { Plain } from './stored-sessions.ts'

/** What connect-redis kept of a session when it was last read or written: its fields, as ours would have them. */
interface Old {
  readonly sid: string
  readonly fields: ReadonlyMap<string, string>
}

/**
 * Sessions that stay where connect-redis keeps them, so that instances with connect-redis can serve them too. If another
 * instance takes one over, it is served where it is then.
 */
export class RollingSessions extends MigratedSessions {
  readonly #old = new WeakMap<object, Old>()

  override get(sid: string): Promise<Plain | null> {
    const id = idOfSid(sid)
    return this.operations.call('load', async (call) => {
      const ours = await this.loadOurs(id, call)
      const found = ours === null ? await this.#read(sid, id, call) : 'taken'
      if (found !== 'taken') return found
      const record = await this.complete(sid, id, ours, call)
      return record && this.plain(record)
    })
  }

  override inherit(from: object, to: object): void {
    super.inherit(from, to)
    const old = this.#old.get(from)
    if (old !== undefined) this.#old.set(to, old)
  }

  override async set(sid: string, session: object): Promise<void> {
    const id = idOfSid(sid)
    if (isHandle(sid) || this.knownAs(id, session) !== null) return super.set(sid, session)
    const ttl = this.idleTimeout((session as Plain).cookie)
    if (ttl <= 0) return this.expire(sid, id)
    const json = JSON.stringify(session)
    const fields = fieldsOf(JSON.parse(json)) ?? new Map()
    const ours = await this.operations.call('set', (call) => this.#write(sid, id, session, json, ttl, call))
    if (ours !== null) return super.set(sid, session)
    this.#old.set(session, { sid, fields })
  }

  override async touch(sid: string, session: object): Promise<void> {
    const id = idOfSid(sid)
    const ttl = this.idleTimeout((session as Plain).cookie)
    if (this.knownAs(id, session) !== null || ttl <= 0) return super.touch(sid, session)
    const ours = await this.operations.call('touch', (call) => this.#write(sid, id, session, null, ttl, call))
    if (ours !== null) await super.touch(sid, session)
  }

  /** What connect-redis keeps; `taken`: it is ours now. */
  async #read(sid: string, id: string, call: StoreCall): Promise<Plain | null | 'taken'> {
    const [copy, isOver] = await Promise.all([this.old.read(sid, call), this.old.isOver(id, call)])
    if (copy === null) return null
    if (isOver) {
      // Logged out a short while ago; a slow write of connect-redis has brought the copy back.
      await this.old.destroy(sid, call) // guard: revived under connect-redis
      return null
    }
    if (copy.state !== 'theirs') return 'taken'
    const session = sessionOfJson(copy.text)
    if (session === null) return foreign()
    this.#old.set(session, { sid, fields: fieldsOf(session) ?? new Map() })
    return session
  }

  /**
   * @param json `null`: only the expiry
   * @returns the session that is ours now, and has to be written there; `null`: it was written where connect-redis keeps it
   */
  async #write(
    sid: string,
    id: string,
    session: object,
    json: string | null,
    ttl: number,
    call: StoreCall,
  ): Promise<SessionRecord | null> {
    const written = await this.old.write(sid, json, ttl, call)
    if (written === 'ok') return null
    const old = this.#old.get(session)
    const isKnown = old?.sid === sid
    const record = await (written === 'taken' ? this.find(sid, id, call) : this.loadOurs(id, call))
    if (record !== null) {
      // What this request has changed goes to ours, and nothing else.
      if (isKnown) this.know(session, { ...knownOf(record), fields: old.fields }) // guard: changes only
      return record
    }
    if (isKnown || json === null || (await this.old.isOver(id, call))) throw new SessionEndedError() // guard: ended under connect-redis
    await this.old.create(sid, json, ttl, call)
    return null
  }
}
