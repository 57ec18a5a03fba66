import { giveUp } from '../core/deadline.ts'
import { parseRecord } from '../core/record.ts'
import type { Ended, Note, Ok, SessionRecord, StoreCall } from '../core/store.ts'
import { tagOfUser } from '../core/token.ts'
import type { Commands } from './commands.ts'
import { reservedFields } from './reserved-fields.ts'
import type { Runner, Words } from './runner.ts'

/** So many sessions of one user end in one step; more take several, so that no script holds up Redis for long. */
const CHUNK = 1000
/** So often is something tried that others may thwart by changing the list meanwhile. */
const ATTEMPTS = 4

/** What is done to all sessions of a user, by the user's index. */
export class UserSessions {
  readonly #runner: Runner
  readonly #commands: Commands

  constructor(runner: Runner, commands: Commands) {
    this.#runner = runner
    this.#commands = commands
  }

  async list(userId: string, call: StoreCall): Promise<SessionRecord[]> {
    const send = (words: readonly string[]) => this.#runner.send(words, call)
    for (let attempt = 1; ; attempt++) {
      const ids = await this.#allIds(userId, call)
      const fields = await Promise.all(ids.map((id) => reservedFields(send, this.#commands.keys.session(id))))
      const gone = ids.filter((_, i) => fields[i]?.size === 0)
      if (gone.length > 0) await send(['ZREM', this.#index(userId), ...gone])
      // What is gone may have got another id in between, which was not there yet when the ids were read.
      if (gone.length > 0 && attempt < ATTEMPTS && !call.expired) continue // guard: rotated meanwhile
      return ids.flatMap((id, i) => parseRecord(id, fields[i] ?? new Map()) ?? [])
    }
  }

  /** Ends at most a chunk of them; `more`: there may be others. */
  async revoke(
    userId: string,
    keep: string | null,
    note: Note,
    call: StoreCall,
  ): Promise<Ok<{ ids: string[]; more: boolean }> | Ended> {
    const revoke = (ids: readonly string[], all: boolean) =>
      this.#runner.run(this.#commands.revokeUser(userId, keep, ids.slice(0, CHUNK), all, note), call)
    let ids = await this.#ids(userId, 0, call)
    for (let attempt = 1; ; attempt++) {
      const all = ids.length <= CHUNK
      const inOneStep = all && attempt <= ATTEMPTS
      const [status, detail, ended] = await revoke(ids, inOneStep)
      if (status === 'ended') return { status: 'ended' }
      if (status === 'ok') {
        const rest = all && !inOneStep ? await this.#rest(userId, call, revoke) : { ids: [], more: !all }
        return { status: 'ok', ids: [...(ended as string[]), ...rest.ids], more: rest.more }
      }
      // Others have come or gone meanwhile. Every hash must be declared as a key.
      if (call.expired) giveUp(call)
      ids = detail as string[]
    }
  }

  /**
   * Logins come faster than Redis answers, so that no list is ever up to date. One step is done, and from then on only logins
   * that begin later get in: when those have ended that came just before it, all have that had to.
   */
  async #rest(
    userId: string,
    call: StoreCall,
    revoke: (ids: readonly string[], all: boolean) => Promise<Words>,
  ): Promise<{ ids: string[]; more: boolean }> {
    const ids = await this.#ids(userId, 0, call)
    const [status, , ended] = await revoke(ids, false)
    return status === 'ok' ? { ids: ended as string[], more: ids.length > CHUNK } : { ids: [], more: true }
  }

  /** @returns the ids of those that have other roles now */
  async setRoles(userId: string, roles: string | null, note: Note, call: StoreCall): Promise<string[]> {
    const [tried, changed] = [new Set<string>(), new Set<string>()]
    while (true) {
      const ids = await this.#allIds(userId, call)
      const all = ids.length <= CHUNK
      const some = all ? ids : ids.filter((id) => !tried.has(id)).slice(0, CHUNK)
      if (!all && some.length === 0) return [...changed]
      const [status, , done] = await this.#runner.run(this.#commands.setUserRoles(userId, roles, some, all, note), call)
      if (status === 'ok') {
        for (const id of done as string[]) changed.add(id)
        if (all) return [...changed]
        for (const id of some) tried.add(id)
      }
      if (call.expired) giveUp(call)
    }
  }

  async #allIds(userId: string, call: StoreCall): Promise<string[]> {
    const ids = new Set<string>()
    for (let page = await this.#ids(userId, 0, call); page.length > 0; page = await this.#ids(userId, ids.size, call)) {
      const before = ids.size
      for (const id of page) ids.add(id)
      if (page.length <= CHUNK || ids.size === before) break
    }
    return [...ids]
  }

  /** A chunk of them, and one more if there are more. */
  async #ids(userId: string, from: number, call: StoreCall): Promise<string[]> {
    const words = ['ZRANGE', this.#index(userId), String(from), String(from + CHUNK)]
    return (await this.#runner.send(words, call)) as string[]
  }

  #index(userId: string): string {
    return this.#commands.keys.user(tagOfUser(userId), userId)
  }
}
