import type { Operations } from '../../core/operations.ts'
import type { SessionRecord } from '../../core/store.ts'
import { tags } from '../../core/tags.ts'
import { handleOf } from './handles.ts'
import { type Plain, plainOf, type StoredSessions } from './stored-sessions.ts'

/** So many partitions are read at a time. */
const PARTITIONS = 16
/** So many sessions are read, or ended, at a time: enough to fill the connection, few enough to leave room for requests. */
const BATCH = 100

/**
 * What is asked of all sessions together, by the index: the keys are never scanned. In pages, each under a deadline of its own;
 * what begins or ends meanwhile may be among them or not.
 */
export class AllSessions {
  readonly #operations: Operations
  readonly #sessions: StoredSessions

  constructor(operations: Operations, sessions: StoredSessions) {
    this.#operations = operations
    this.#sessions = sessions
  }

  /** Every session, with its handle as `id`. */
  async all(): Promise<Plain[]> {
    return this.#read((record) => ({ ...plainOf(record.fields), id: handleOf(record.id) }))
  }

  /** The handle of every session. */
  async ids(): Promise<string[]> {
    return this.#read((record) => handleOf(record.id))
  }

  async length(): Promise<number> {
    const { guests, members } = await this.#operations.call('count', (call) => this.#store.count(call))
    return guests + members
  }

  /** Ends every session. What has ended when this fails has ended: call again. */
  async clear(): Promise<void> {
    for await (const ids of this.#pages()) await Promise.all(ids.map((id) => this.#sessions.end(id)))
  }

  async #read<T>(read: (record: SessionRecord) => T): Promise<T[]> {
    const found: T[] = []
    for await (const ids of this.#pages()) {
      const records = await Promise.all(ids.map((id) => this.#operations.load(id)))
      // The index may still list what has expired.
      for (const record of records) if (record !== null) found.push(read(record))
    }
    return found
  }

  /** The ids of all sessions, a batch at a time. */
  async *#pages(): AsyncGenerator<string[]> {
    for (let first = 0; first < tags.length; first += PARTITIONS) {
      const partitions = [...tags.keys()].slice(first, first + PARTITIONS)
      const refs = await Promise.all(
        partitions.map((partition) =>
          this.#operations.call('partition', (call) => this.#store.partition(partition, call)),
        ),
      )
      const ids = refs.flat().map(({ id }) => id)
      for (let i = 0; i < ids.length; i += BATCH) yield ids.slice(i, i + BATCH)
    }
  }

  get #store() {
    return this.#operations.settings.store
  }
}
