import { ConfigError } from '../core/errors.ts'
import type { Counts, Page, SessionRecord, StoreCall } from '../core/store.ts'
import { tags } from '../core/tags.ts'
import type { Keys } from './keys.ts'
import { recentSessions } from './recent.ts'
import type { Runner } from './runner.ts'

/** What is asked of all sessions together, by the partitions' indexes: the cost does not grow with their number. */
export class Monitoring {
  readonly #runner: Runner
  readonly #keys: Keys
  readonly #indexed: boolean

  /** @param indexed whether the indexes are kept that only monitoring needs */
  constructor(runner: Runner, keys: Keys, indexed: boolean) {
    this.#runner = runner
    this.#keys = keys
    this.#indexed = indexed
  }

  async count(call: StoreCall): Promise<Counts> {
    const living = `(${await this.#runner.now(call)}`
    const [guests, members] = await Promise.all([this.#sum('guests', living, call), this.#sum('members', living, call)])
    return { guests, members }
  }

  async countUsers(call: StoreCall): Promise<number | null> {
    return this.#indexed ? this.#sum('users', `(${await this.#runner.now(call)}`, call) : null
  }

  async countByIdleAge(limits: readonly number[], call: StoreCall): Promise<number[]> {
    this.#mustBeIndexed('countByIdleAge()')
    const now = await this.#runner.now(call)
    return Promise.all(limits.map((limit) => this.#sum('seen', String(now - limit), call)))
  }

  async recent(limit: number, page: Page, call: StoreCall): Promise<SessionRecord[]> {
    this.#mustBeIndexed('recent()')
    return recentSessions({ keys: this.#keys, send: (words) => this.#runner.send(words, call) }, limit, page)
  }

  /** How many members of one index of each partition have a score from `least` on. Sent in one turn, so pipelined. */
  async #sum(index: 'guests' | 'members' | 'users' | 'seen', least: string, call: StoreCall): Promise<number> {
    const count = (tag: string) => this.#runner.send(['ZCOUNT', this.#keys[index](tag), least, '+inf'], call)
    const counts = await Promise.all(tags.map(count))
    return counts.reduce<number>((sum, count) => sum + Number(count), 0)
  }

  #mustBeIndexed(name: string): void {
    if (!this.#indexed) throw new ConfigError(`${name} needs the store option monitoring: true.`)
  }
}
