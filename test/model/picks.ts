import fc from 'fast-check'
import { NOBODY } from './arbitraries.ts'
import type { Model } from './model.ts'
import type { Visit, Who } from './operations.ts'

// Whose session, and which request: chosen while commands run, among those that there are by then.

/** Among what to choose. */
const GROUPS: Record<string, (model: Model) => (Who | Visit)[]> = {
  living: (model) => model.living(),
  moved: (model) => model.moved(),
  buried: (model) => model.buried(),
  any: (model) => model.handles(),
  none: () => NOBODY,
  visited: (model) => model.visited(),
  visit: (model) => model.visits(),
}

/** The nth newest of a group. */
class Pick {
  readonly #group: string
  readonly #nth: number

  constructor(group: string, nth: number) {
    this.#group = group
    this.#nth = nth
  }

  from(model: Model): Who | Visit | undefined {
    const all = GROUPS[this.#group]?.(model).reverse() ?? []
    return all[this.#nth % all.length]
  }

  toString(): string {
    return `${this.#group}[${this.#nth}]`
  }
}

export type Chosen = Pick

export function isPick(arg: unknown): arg is Chosen {
  return arg instanceof Pick
}

/** What to call an operation with by now; `undefined`: there is no such thing. */
export function resolve(arg: unknown, model: Model): unknown {
  return isPick(arg) ? arg.from(model) : arg
}

function among(...groups: [weight: number, group: string][]): fc.Arbitrary<Chosen> {
  const anyGroup = fc.constantFrom(...groups.flatMap(([weight, group]) => Array<string>(weight).fill(group)))
  return fc.tuple(anyGroup, fc.nat(11)).map(([group, nth]) => new Pick(group, nth))
}

export const anyone = among([9, 'living'], [3, 'moved'], [1, 'buried'], [2, 'any'], [1, 'none'])

/** Who comes with a request: often somebody without a session. */
export const anyVisitor = among([10, 'living'], [3, 'moved'], [2, 'buried'], [1, 'any'], [5, 'none'])

/** Whose request is being served. */
export const anyServed = fc.constant(new Pick('visited', 0))

export const anyVisit = {
  any: fc.nat(3).map((nth) => new Pick('visit', nth)),
  newest: new Pick('visit', 0),
}
