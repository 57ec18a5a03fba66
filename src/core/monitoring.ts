import { type Duration, milliseconds } from './duration.ts'
import { ArgumentError } from './errors.ts'
import type { SessionEvents } from './events.ts'
import { checkField } from './fields.ts'
import type { Operations } from './operations.ts'
import { type SessionSnapshot, snapshot } from './record.ts'

/** How many sessions there are. */
export interface SessionCounts {
  /** Sessions that are alive. */
  readonly active: number
  /** Of these, those without a user. */
  readonly guests: number
  /** Those with one. */
  readonly members: number
  /** Distinct users with a session; `null` when the store was told `monitoring: false`. */
  readonly users: number | null
}

/** What `sessions.stats()` says. */
export interface SessionStats extends SessionCounts {
  /** How often this process has seen what, by event and cause, as in `process.destroyed?.logout`. */
  readonly process: Partial<Record<keyof SessionEvents, Record<string, number>>>
}

/** Which part of the list of sessions. */
export interface RecentOptions<Field extends string = string> {
  /** Only what comes after this session: the last one of the page before. */
  after?: { readonly id: string; readonly lastAccessedAt: number }
  /** Fields of the data to read with it. Default none. */
  fields?: readonly Field[]
}

/** Questions about all sessions together. */
export class Monitoring {
  readonly #operations: Operations

  constructor(operations: Operations) {
    this.#operations = operations
  }

  async count(): Promise<number> {
    const { guests, members } = await this.#operations.call('count', (call) => this.#store.count(call))
    return guests + members
  }

  async stats(): Promise<SessionStats> {
    const [{ guests, members }, users] = await this.#operations.call('stats', (call) =>
      Promise.all([this.#store.count(call), this.#store.countUsers(call)]),
    )
    const { counts } = this.#operations.events
    return { active: guests + members, guests, members, users, process: structuredClone(counts) }
  }

  /** @throws ArgumentError */
  async countByIdleAge(within: readonly Duration[]): Promise<number[]> {
    const limits = within.map((age) => milliseconds(age, 'an idle age'))
    return this.#operations.call('countByIdleAge', (call) => this.#store.countByIdleAge(limits, call))
  }

  /** @throws ArgumentError, FieldError */
  async recent(limit: number, { after, fields = [] }: RecentOptions): Promise<SessionSnapshot<unknown>[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new ArgumentError('limit must be from 1 to 1000.')
    if (after !== undefined && !Number.isFinite(after.lastAccessedAt)) {
      throw new ArgumentError('after must be a session of the page before.')
    }
    for (const field of fields) checkField(field)
    const page = { after: after ?? null, fields }
    const records = await this.#operations.call('recent', (call) => this.#store.recent(limit, page, call))
    // A few fields alone are no data that a schema could judge.
    return records.map((record) => snapshot(record, null))
  }

  get #store() {
    return this.#operations.settings.store
  }
}
