import { giveUp } from '../core/deadline.ts'
import { ConfigError } from '../core/errors.ts'
import type { Counts, Page, SessionRecord, StoreCall } from '../core/store.ts'
import { tags } from '../core/tags.ts'
import type { Keys } from './keys.ts'
import { recentSessions } from './recent.ts'
import type { Runner } from './runner.ts'

/** What expired so long ago, in milliseconds, has expired by every idea of Redis's clock. */
const SETTLED = 1000

/** So many entries are dropped at a time. */
const CHUNK = 1000

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
    const now = await this.#times(call)
    const living = (tag: string) => `(${now(tag)}`
    const [guests, members] = await Promise.all([this.#sum('guests', living, call), this.#sum('members', living, call)])
    return { guests, members }
  }

  async countUsers(call: StoreCall): Promise<number | null> {
    if (!this.#indexed) return null
    const now = await this.#times(call)
    return this.#sum('users', (tag) => `(${now(tag)}`, call)
  }

  async countByIdleAge(limits: readonly number[], call: StoreCall): Promise<number[]> {
    this.#mustBeIndexed('countByIdleAge()')
    const now = await this.#times(call)
    await this.#dropExpired((tag) => now(tag) - SETTLED, call)
    return Promise.all(limits.map((limit) => this.#sum('seen', (tag) => String(now(tag) - limit), call)))
  }

  async recent(limit: number, page: Page, call: StoreCall): Promise<SessionRecord[]> {
    this.#mustBeIndexed('recent()')
    return recentSessions({ keys: this.#keys, send: (words) => this.#runner.send(words, call) }, limit, page)
  }

  /** What time it is in each partition, by the clock of the server that holds it. */
  async #times(call: StoreCall): Promise<(tag: string) => number> {
    const times = new Map<string, number>()
    // One after the other: no server is asked for each of its partitions.
    for (const tag of tags) times.set(tag, await this.#runner.now(this.#keys.guests(tag), call))
    return (tag) => times.get(tag) as number
  }

  /** How many members of one index of each partition have a score from `least` on. Sent in one turn, so pipelined. */
  async #sum(
    index: 'guests' | 'members' | 'users' | 'seen',
    least: (tag: string) => string,
    call: StoreCall,
  ): Promise<number> {
    const count = (tag: string) => this.#runner.send(['ZCOUNT', this.#keys[index](tag), least(tag), '+inf'], call)
    const counts = await Promise.all(tags.map(count))
    return counts.reduce<number>((sum, count) => sum + Number(count), 0)
  }

  /**
   * Takes out of `seen` what has expired by itself, which only `guests` and `members` know: writes do so in their partition,
   * but there may have been none.
   */
  async #dropExpired(before: (tag: string) => number, call: StoreCall): Promise<void> {
    const drop = async (tag: string, index: 'guests' | 'members') => {
      const key = this.#keys[index](tag)
      while (true) {
        const words = ['ZRANGE', key, '-inf', String(before(tag)), 'BYSCORE', 'LIMIT', '0', String(CHUNK)]
        const gone = (await this.#runner.send(words, call)) as string[]
        if (gone.length === 0) return
        await Promise.all([
          this.#runner.send(['ZREM', this.#keys.seen(tag), ...gone], call),
          this.#runner.send(['ZREM', key, ...gone], call),
        ])
        if (call.expired) giveUp(call) // guard: deadline
      }
    }
    await Promise.all(tags.flatMap((tag) => [drop(tag, 'guests'), drop(tag, 'members')]))
  }

  #mustBeIndexed(name: string): void {
    if (!this.#indexed) throw new ConfigError(`${name} needs the store option monitoring: true.`)
  }
}
