import fc from 'fast-check'
import {
  anyBeginning,
  anyCounter,
  anyData,
  anyDeviceId,
  anyField,
  anyInterval,
  anyLogin,
  anyRoles,
  anyUser,
  anyValue,
  CHANGES,
  USERS,
} from './arbitraries.ts'
import type { Model } from './model.ts'
import type { InRequests, Operations, Visit, Who } from './operations.ts'
import { anyone, anyServed, anyVisit, anyVisitor, type Chosen, isPick, resolve } from './picks.ts'
import type { Act, World } from './world.ts'

// What can happen, one command an operation. Each says whose session it is about only when it runs: by then it is known
// which there are.

type Call = (...args: unknown[]) => unknown

class Operation implements fc.AsyncCommand<Model, World> {
  readonly #name: keyof Operations
  readonly #args: readonly unknown[]
  #shown: string

  constructor(name: keyof Operations, args: readonly unknown[]) {
    this.#name = name
    this.#args = args
    this.#shown = args.map((arg) => (isPick(arg) ? `${arg}` : fc.stringify(arg))).join(', ')
  }

  check(model: Model): boolean {
    if (['recent', 'pages', 'stats'].includes(this.#name)) return model.rules.monitoring
    return this.#args.every((arg) => !isPick(arg) || resolve(arg, model) !== undefined)
  }

  async run(model: Model, world: World): Promise<void> {
    const args = this.#args.map((arg) => resolve(arg, model))
    this.#shown = args.map((arg) => fc.stringify(arg)).join(', ')
    const act: Act = (on) => (on[this.#name] as Call).apply(on, args)
    await world.step(model, this.#name, act)
  }

  /** With a first argument. */
  on(first: unknown): Operation {
    return new Operation(this.#name, [first, ...this.#args])
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

/** Several, one after the other. */
class Series implements fc.AsyncCommand<Model, World> {
  readonly #commands: readonly fc.AsyncCommand<Model, World>[]

  constructor(commands: readonly fc.AsyncCommand<Model, World>[]) {
    this.#commands = commands
  }

  check(model: Model): boolean {
    return this.#commands[0]?.check(model) ?? false
  }

  async run(model: Model, world: World): Promise<void> {
    for (const command of this.#commands) if (command.check(model)) await command.run(model, world)
  }

  toString(): string {
    return this.#commands.join(', ')
  }
}

/** For each parameter of an operation what to call it with; a pick where it asks for somebody's session or a request. */
type Arbitraries<Parameters extends unknown[]> = {
  [I in keyof Parameters]: fc.Arbitrary<Who extends Parameters[I] ? Chosen : Parameters[I]>
}

function operation<Name extends keyof Operations>(
  weight: number,
  name: Name,
  ...args: Arbitraries<Parameters<Operations[Name]>>
) {
  const all = fc.tuple(...(args as fc.Arbitrary<unknown>[]))
  return { weight, arbitrary: all.map((args) => new Operation(name, args)) }
}

/** What a handler does in its request, less the request. */
function deed<Name extends keyof InRequests>(
  weight: number,
  name: Name,
  ...args: Parameters<InRequests[Name]> extends [Visit, ...infer Rest extends unknown[]] ? Arbitraries<Rest> : never
) {
  const all = fc.tuple(...(args as fc.Arbitrary<unknown>[]))
  return { weight, arbitrary: all.map((args) => new Operation(name, args)) }
}

const INCREMENTS = [1, 1, 1, -1, -7, -7, 0, 2 ** 53 - 1, 1 - 2 ** 53, 1.5, 2 ** 53, Number.NaN]

const anyDeed = fc.oneof(
  deed(12, 'login', anyUser, anyLogin),
  deed(2, 'logout'),
  deed(2, 'rotateHere'),
  deed(2, 'setRoles', anyRoles),
  deed(4, 'devices'),
  deed(2, 'revokeMine', anyone),
  deed(2, 'revokeMyDevice', anyDeviceId),
  deed(2, 'revokeMyOthers'),
  deed(1, 'revokeAllMine'),
)
const anyWrite = fc.oneof(deed(1, 'write', anyData))

/** What others do to a session while a request of it is being served. */
const anyMeanwhile = fc.oneof(
  operation(3, 'destroy', anyServed),
  operation(3, 'rotate', anyServed),
  operation(1, 'set', anyServed, anyData),
  operation(1, 'setRolesOf', anyUser, anyRoles),
  operation(1, 'revokeAllOf', anyUser),
)

/** A whole request. */
function request(anyInterruption: fc.Arbitrary<Operation[]>): fc.Arbitrary<Series> {
  return fc
    .tuple(anyVisitor, fc.array(anyWrite, { maxLength: 1 }), anyInterruption, fc.array(anyDeed, { maxLength: 2 }))
    .map(([who, writes, interruption, deeds]) => {
      const handled = [...deeds, new Operation('answer', [])].map((deed) => deed.on(anyVisit.newest))
      const written = writes.map((write) => write.on(anyVisit.newest))
      return new Series([new Operation('open', [who]), ...written, ...interruption, ...handled])
    })
}

/** A login that dies between two of its steps, or takes far too long. */
const anyAbandoned = fc
  .tuple(anyone, anyInterval)
  .map(([who, ms]) => new Series([new Operation('abandon', [who]), new Travel(ms), new Operation('release', [])]))

export const anyCommand: fc.Arbitrary<fc.AsyncCommand<Model, World>> = fc.oneof(
  { weight: 8, arbitrary: anyInterval.map((ms) => new Travel(ms)) },
  operation(10, 'create', anyData, anyBeginning),
  operation(6, 'load', anyone),
  operation(1, 'peek', anyone),
  operation(3, 'touch', anyone),
  operation(2, 'set', anyone, anyData),
  operation(3, 'update', anyone, anyField, fc.constantFrom(...CHANGES)),
  operation(2, 'update', anyone, anyCounter, anyValue.map(constantly)),
  operation(3, 'increment', anyone, anyCounter, fc.constantFrom(...INCREMENTS)),
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
  operation(1, 'stats'),
  operation(1, 'recent', fc.constantFrom(1, 2, 50, 1000, 0, 1.5)),
  operation(1, 'pages', fc.constantFrom(1, 2, 3)),
  operation(2, 'listOf', anyUser),
  operation(2, 'revokeOf', anyUser, anyone),
  operation(1, 'revokeDeviceOf', anyUser, anyDeviceId),
  operation(2, 'revokeOthersOf', anyUser, anyone),
  operation(1, 'revokeAllOf', anyUser),
  operation(2, 'setRolesOf', anyUser, anyRoles),
  operation(1, 'revokeEveryone'),
  operation(2, 'joined', fc.constantFrom(...USERS), fc.constantFrom(null, ['admin'], [])),
  { weight: 12, arbitrary: request(fc.constant([])) },
  { weight: 6, arbitrary: request(anyMeanwhile.map((one) => [one])) },
  operation(6, 'open', anyVisitor),
  { weight: 2, arbitrary: fc.tuple(anyVisit.any, anyWrite).map(([visit, deed]) => deed.on(visit)) },
  { weight: 5, arbitrary: fc.tuple(anyVisit.any, anyDeed).map(([visit, deed]) => deed.on(visit)) },
  { weight: 5, arbitrary: anyVisit.any.map((visit) => new Operation('answer', [visit])) },
  operation(1, 'held', anyone),
  { weight: 1, arbitrary: anyAbandoned },
)

function constantly(value: unknown): () => unknown {
  return Object.assign(() => value, { [fc.toStringMethod]: () => `() => ${fc.stringify(value)}` })
}
