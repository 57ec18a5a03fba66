import fc from 'fast-check'
import { anyBeginning, anyCounter, anyData, anyField, anyInterval, anyValue, CHANGES, NOBODY } from './arbitraries.ts'
import type { Model } from './model.ts'
import type { Operations, Who } from './operations.ts'
import type { Act, World } from './world.ts'

// What can happen, one command an operation. Each says whose session it is about only when it runs: by then it is known
// which there are.

/** Among which tokens to choose. */
const GROUPS: Record<string, (model: Model) => Who[]> = {
  living: (model) => model.living(),
  moved: (model) => model.moved(),
  any: (model) => model.handles(),
  none: () => NOBODY,
}

/** The nth newest token of a group. */
class Pick {
  readonly #group: string
  readonly #nth: number

  constructor(group: string, nth: number) {
    this.#group = group
    this.#nth = nth
  }

  from(model: Model): Who | undefined {
    const tokens = GROUPS[this.#group]?.(model).reverse() ?? []
    return tokens[this.#nth % tokens.length]
  }

  toString(): string {
    return `${this.#group}[${this.#nth}]`
  }
}

const anyGroup = fc.constantFrom(...Array(9).fill('living'), 'moved', 'moved', 'moved', 'any', 'any', 'any', 'none')
const anyone = fc.tuple(anyGroup, fc.nat(11)).map(([group, nth]) => new Pick(group, nth))

type Call = (...args: unknown[]) => unknown

class Operation implements fc.AsyncCommand<Model, World> {
  readonly #name: keyof Operations
  readonly #args: readonly unknown[]
  #shown: string

  constructor(name: keyof Operations, args: readonly unknown[]) {
    this.#name = name
    this.#args = args
    this.#shown = args.map((arg) => (arg instanceof Pick ? `${arg}` : fc.stringify(arg))).join(', ')
  }

  check(model: Model): boolean {
    if (this.#name === 'recent') return model.rules.monitoring
    return this.#args.every((arg) => !(arg instanceof Pick) || arg.from(model) !== undefined)
  }

  async run(model: Model, world: World): Promise<void> {
    const args = this.#args.map((arg) => (arg instanceof Pick ? arg.from(model) : arg))
    this.#shown = args.map((arg) => fc.stringify(arg)).join(', ')
    const act: Act = (on) => (on[this.#name] as Call).apply(on, args)
    await world.step(model, this.#name, act)
  }

  toString(): string {
    return `${this.#name}(${this.#shown})`
  }
}

class Travel implements fc.AsyncCommand<Model, World> {
  readonly #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  check(): boolean {
    return true
  }

  run(model: Model, world: World): Promise<void> {
    return world.travel(model, this.#ms)
  }

  toString(): string {
    return `travel(${this.#ms / 60_000} min)`
  }
}

/** For each parameter of an operation what to call it with; a `Pick` where it asks for somebody's session. */
type Arbitraries<Parameters extends unknown[]> = {
  [I in keyof Parameters]: fc.Arbitrary<Who extends Parameters[I] ? Pick : Parameters[I]>
}

function operation<Name extends keyof Operations>(
  weight: number,
  name: Name,
  ...args: Arbitraries<Parameters<Operations[Name]>>
) {
  const all = fc.tuple(...(args as fc.Arbitrary<unknown>[]))
  return { weight, arbitrary: all.map((args) => new Operation(name, args)) }
}

const INCREMENTS = [1, 1, 1, -1, -7, -7, 0, 2 ** 53 - 1, 1 - 2 ** 53, 1.5, 2 ** 53, Number.NaN]

export const anyCommand: fc.Arbitrary<fc.AsyncCommand<Model, World>> = fc.oneof(
  { weight: 5, arbitrary: anyInterval.map((ms) => new Travel(ms)) },
  operation(12, 'create', anyData, anyBeginning),
  operation(5, 'load', anyone),
  operation(1, 'peek', anyone),
  operation(3, 'touch', anyone),
  operation(3, 'set', anyone, anyData),
  operation(3, 'update', anyone, anyField, fc.constantFrom(...CHANGES)),
  operation(3, 'update', anyone, anyCounter, anyValue.map(constantly)),
  operation(4, 'increment', anyone, anyCounter, fc.constantFrom(...INCREMENTS)),
  operation(
    3,
    'setIdleTimeout',
    anyone,
    fc.oneof({ weight: 9, arbitrary: anyInterval }, fc.constantFrom(0, 100 * 3_600_000)),
  ),
  operation(2, 'timeToLive', anyone),
  operation(6, 'rotate', anyone),
  operation(1, 'destroy', anyone),
  operation(1, 'find', anyone),
  operation(1, 'revoke', anyone),
  operation(1, 'count'),
  operation(1, 'recent', fc.constantFrom(1, 2, 50, 1000, 0, 1.5)),
)

function constantly(value: unknown): () => unknown {
  return Object.assign(() => value, { [fc.toStringMethod]: () => `() => ${fc.stringify(value)}` })
}
