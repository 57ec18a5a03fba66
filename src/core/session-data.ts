import { decode, encode } from './codec.ts'
import { checkField, isReserved } from './fields.ts'
import { dataFields, decodeData } from './record.ts'
import type { DataChecker } from './schema.ts'

/** What differs between the data as loaded and as it is now. */
export interface DataChanges {
  readonly set: ReadonlyMap<string, string>
  readonly remove: readonly string[]
}

const NO_FIELDS: ReadonlyMap<string, string> = new Map()

export const UNCHANGED: DataChanges = { set: NO_FIELDS, remove: [] }

/**
 * A request's session data: plain values to read and change as one likes, and what of them has changed. "Changed" compares
 * the encoding of the value as decoded at load with that of the value now: deep changes count, a foreign spelling does not.
 */
export class SessionData {
  /** The decoded data. */
  readonly values: Record<string, unknown> = {}
  /** What the store holds, in whoever's spelling. */
  #baseline: ReadonlyMap<string, string> = NO_FIELDS
  readonly #checker: DataChecker | null

  /**
   * @param fields what the store holds, coatcheck's own fields too; those are left out
   * @throws DataError when the data does not fit the schema
   */
  constructor(fields: ReadonlyMap<string, string> = NO_FIELDS, checker: DataChecker | null = null) {
    Reflect.defineProperty(this.values, '__proto__', REFUSE_PROTO)
    this.#checker = checker
    if (checker === null) {
      for (const [field, text] of fields) {
        if (isReserved(field)) continue
        this.values[field] = decode(text)
        this.#own().set(field, text)
      }
      return
    }
    const stored = decodeData(dataFields(fields))
    const { values, migrated } = checker.read(stored)
    Object.assign(this.values, values)
    // What the schema adds or converts is no change of the request; what migrate has changed is to be written.
    for (const [field, value] of Object.entries(migrated ? stored : values)) {
      if (value !== undefined) this.#own().set(field, encode(field, value))
    }
  }

  /** Takes over what the store now holds in a field; `null`: nothing. */
  adopt(field: string, text: string | null): void {
    if (text === null) {
      delete this.values[field]
      this.#own().delete(field)
      return
    }
    const value = this.#asRead(field, text)
    this.values[field] = value
    this.#own().set(field, encode(field, value))
  }

  /**
   * Everything that has changed since it was last in the store.
   * @throws FieldError for a name or value that cannot be stored; DataError for what does not fit the schema
   */
  changes(): DataChanges {
    let set: Map<string, string> | undefined
    let kept = 0
    for (const field of Object.keys(this.values)) {
      const text = this.#encoded(field)
      if (text === null) continue
      if (this.#baseline.has(field)) kept++
      if (this.#isStored(field, text)) continue // guard: unchanged
      checkField(field) // guard: field name
      set ??= new Map()
      set.set(field, text)
    }
    const isGone = (field: string) => this.#encoded(field) === null
    const remove = kept === this.#baseline.size ? [] : [...this.#baseline.keys()].filter(isGone)
    if (set === undefined && remove.length === 0) return UNCHANGED
    this.#checker?.checkWrite(this.#all()) // guard: schema
    return { set: set ?? UNCHANGED.set, remove }
  }

  /** Whether one field has changed. */
  changed(field: string): boolean {
    const text = this.#encoded(field)
    return text === null ? this.#baseline.has(field) : !this.#isStored(field, text)
  }

  /** Notes that these changes are in the store now. The values stay as they are: they may have changed again since. */
  committed({ set, remove }: DataChanges): void {
    for (const [field, text] of set) this.#own().set(field, text)
    for (const field of remove) this.#own().delete(field)
  }

  /** What the store holds, to be changed. Visitors of whom it holds nothing need none of their own. */
  #own(): Map<string, string> {
    if (this.#baseline === NO_FIELDS) this.#baseline = new Map()
    return this.#baseline as Map<string, string>
  }

  /** An increment asks no schema. What does not fit is in the store already: the next read of the data says so, not this write. */
  #asRead(field: string, text: string): unknown {
    try {
      return this.#checker?.readField(field, text) ?? decode(text)
    } catch {
      return decode(text)
    }
  }

  /** Whether the store holds this text in a field, or another spelling of it. */
  #isStored(field: string, text: string): boolean {
    const stored = this.#baseline.get(field)
    return stored === text || (stored !== undefined && encode(field, decode(stored)) === text)
  }

  #all(): Map<string, string> {
    const all = new Map<string, string>()
    for (const field of Object.keys(this.values)) {
      const text = this.#encoded(field)
      if (text !== null) all.set(field, text)
    }
    return all
  }

  /** `undefined` is no value: a field that holds it is as good as deleted. */
  #encoded(field: string): string | null {
    const value = Object.hasOwn(this.values, field) ? this.values[field] : undefined
    return value === undefined ? null : encode(field, value)
  }
}

/**
 * Elsewhere this assignment changes an object's prototype, or does nothing at all: data would be lost without a word. One for
 * all, and by `Reflect`: this takes half of the time, of each request.
 */
const REFUSE_PROTO: PropertyDescriptor = { set: () => checkField('__proto__') }
