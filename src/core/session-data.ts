import { decode, encode } from './codec.ts'
import { checkField } from './fields.ts'
import { decodeData } from './record.ts'
import type { DataChecker } from './schema.ts'

/** What differs between the data as loaded and as it is now. */
export interface DataChanges {
  readonly set: ReadonlyMap<string, string>
  readonly remove: readonly string[]
}

export const UNCHANGED: DataChanges = { set: new Map(), remove: [] }

/**
 * A request's session data: plain values to read and change as one likes, and what of them has changed. "Changed" compares
 * the encoding of the value as decoded at load with that of the value now: deep changes count, a foreign spelling does not.
 */
export class SessionData {
  /** The decoded data. */
  readonly values: Record<string, unknown> = {}
  readonly #baseline = new Map<string, string>()
  readonly #checker: DataChecker | null

  /** @throws DataError when the data does not fit the schema */
  constructor(fields: ReadonlyMap<string, string>, checker: DataChecker | null = null) {
    Object.defineProperty(this.values, '__proto__', { set: refuseProto })
    this.#checker = checker
    const stored = decodeData(fields)
    const { values, migrated } = checker?.read(stored) ?? { values: stored, migrated: false }
    Object.assign(this.values, values)
    // What the schema adds or converts is no change of the request; what migrate has changed is to be written.
    for (const [field, value] of Object.entries(migrated ? stored : values)) {
      if (value !== undefined) this.#baseline.set(field, encode(field, value))
    }
  }

  /** Takes over what the store now holds in a field; `null`: nothing. */
  adopt(field: string, text: string | null): void {
    if (text === null) {
      delete this.values[field]
      this.#baseline.delete(field)
      return
    }
    const value = this.#asRead(field, text)
    this.values[field] = value
    this.#baseline.set(field, encode(field, value))
  }

  /**
   * Everything that has changed since it was last in the store.
   * @throws FieldError for a name or value that cannot be stored; DataError for what does not fit the schema
   */
  changes(): DataChanges {
    const all = new Map<string, string>()
    const set = new Map<string, string>()
    const remove: string[] = []
    for (const field of Object.keys(this.values)) {
      const text = this.#encoded(field)
      if (text === null) continue
      all.set(field, text)
      if (text === this.#baseline.get(field)) continue // guard: unchanged
      checkField(field) // guard: field name
      set.set(field, text)
    }
    for (const field of this.#baseline.keys()) if (!all.has(field)) remove.push(field)
    if (set.size > 0 || remove.length > 0) this.#checker?.checkWrite(all) // guard: schema
    return { set, remove }
  }

  /** Whether one field has changed. */
  changed(field: string): boolean {
    return this.#encoded(field) !== (this.#baseline.get(field) ?? null)
  }

  /** Notes that these changes are in the store now. The values stay as they are: they may have changed again since. */
  committed({ set, remove }: DataChanges): void {
    for (const [field, text] of set) this.#baseline.set(field, text)
    for (const field of remove) this.#baseline.delete(field)
  }

  /** An increment asks no schema. What does not fit is in the store already: the next read of the data says so, not this write. */
  #asRead(field: string, text: string): unknown {
    try {
      return this.#checker?.readField(field, text) ?? decode(text)
    } catch {
      return decode(text)
    }
  }

  /** `undefined` is no value: a field that holds it is as good as deleted. */
  #encoded(field: string): string | null {
    const value = Object.hasOwn(this.values, field) ? this.values[field] : undefined
    return value === undefined ? null : encode(field, value)
  }
}

/** Elsewhere this assignment changes an object's prototype, or does nothing at all: data would be lost without a word. */
function refuseProto(): void {
  checkField('__proto__')
}
