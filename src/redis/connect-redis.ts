import { hash } from 'node:crypto'
import type { StoreCall } from '../core/store.ts'
import type { ScriptCall } from './commands.ts'
import { isReply } from './errors.ts'
import type { Keys } from './keys.ts'
import type { Runner } from './runner.ts'
import type { ScriptName } from './scripts.ts'

/**
 * The sessions that connect-redis keeps: under a prefix and the session id as it is, one JSON string each. A session that is
 * taken over gets white space at its end, which JSON allows: first a mark that it is being taken over, then one that it has
 * been. So connect-redis reads it still, and a process that crashes between the two loses nothing.
 *
 * | operation | command |
 * |---|---|
 * | read | `GET` |
 * | take, taken | `EVALSHA` of `take_over`, `taken_over` |
 * | write, touch | `EVALSHA` of `old_write` |
 * | create | `SET … PX` |
 * | destroy | `DEL` |
 * | of ours: removeField, isOver | `HDEL`, `HGET` |
 */
export class ConnectRedis {
  readonly #runner: Runner
  readonly #from: string
  readonly #keys: Keys
  readonly #begun: string
  readonly #done: string

  /**
   * @param from the prefix of connect-redis
   * @param keys ours: what has been taken over to one prefix can be taken over to another, after going back to connect-redis
   */
  constructor(runner: Runner, from: string, keys: Keys) {
    this.#runner = runner
    this.#from = from
    this.#keys = keys
    const bits = hash('sha256', keys.prefix, 'buffer').readUIntBE(0, 3).toString(2).padStart(24, '0')
    const name = bits.replaceAll('0', ' ').replaceAll('1', '\t')
    this.#begun = `\r${name}`
    this.#done = `\n${name}`
  }

  /** What is there as text; `taken`: it has been taken over; `taking`: it is being, and whoever finds that goes on with it. */
  async read(sid: string, call: StoreCall): Promise<{ text: string; state: 'theirs' | 'taking' | 'taken' } | null> {
    const text = await this.#runner.send(['GET', this.#key(sid)], call).catch(nullIfOfAnotherType)
    if (typeof text !== 'string') return null
    if (text.endsWith(this.#done)) return { text, state: 'taken' } // guard: taken over once
    return { text, state: text.endsWith(this.#begun) ? 'taking' : 'theirs' }
  }

  /**
   * From now on nobody of ours writes the session there, until it is {@link taken}.
   * @returns the milliseconds that it has left, `null` without limit; `changed`: it is no longer the text that was read
   */
  async take(sid: string, text: string, call: StoreCall): Promise<{ left: number | null } | 'changed'> {
    const [status, , left] = await this.#runner.run(this.#script('take_over', sid, hash('sha1', text)), call)
    if (status !== 'ok') return 'changed'
    return { left: Number(left) === -1 ? null : Number(left) }
  }

  /**
   * Nobody takes the session over again. Its copy stays until it expires.
   * @param ttl for a copy that would stay for ever, in milliseconds
   * @returns whether it was there still
   */
  async taken(sid: string, ttl: number, call: StoreCall): Promise<boolean> {
    const [status] = await this.#runner.run(this.#script('taken_over', sid, String(ttl)), call)
    return status === 'ok'
  }

  async create(sid: string, json: string, ttl: number, call: StoreCall): Promise<void> {
    await this.#runner.send(['SET', this.#key(sid), json, 'PX', String(ttl)], call)
  }

  /**
   * Writes a session that is there; never brings one back.
   * @param json `null`: only its expiry changes
   */
  async write(sid: string, json: string | null, ttl: number, call: StoreCall): Promise<'ok' | 'taken' | 'gone'> {
    const [status] = await this.#runner.run(this.#script('old_write', sid, String(ttl), json ?? ''), call)
    return status as 'ok' | 'taken' | 'gone'
  }

  async destroy(sid: string, call: StoreCall): Promise<void> {
    await this.#runner.send(['DEL', this.#key(sid)], call)
  }

  /** Removes a field of our session; never brings one back. */
  async removeField(id: string, field: string, call: StoreCall): Promise<void> {
    await this.#runner.send(['HDEL', this.#keys.session(id), field], call)
  }

  /** Whether our session with this id is remembered as over. */
  async isOver(id: string, call: StoreCall): Promise<boolean> {
    return (await this.#runner.send(['HGET', this.#keys.session(id), '_ended'], call)) !== null
  }

  #key(sid: string): string {
    return this.#from + sid
  }

  #script(name: ScriptName, sid: string, ...args: string[]): ScriptCall {
    return { name, keys: [this.#key(sid)], args: ['', '', this.#begun, this.#done, ...args] }
  }
}

/** It is no session of connect-redis, and is left alone. */
function nullIfOfAnotherType(error: unknown): null {
  if (isReply(error, 'WRONGTYPE')) return null // guard: old key of another type
  throw error
}
