import type { CreateSession } from '../../src/core/creations.ts'
import { Operations } from '../../src/core/operations.ts'
import { readOptions, type SessionsOptions } from '../../src/core/options.ts'
import type { SessionStore, StoreCall } from '../../src/core/store.ts'
import { memoryStore } from '../../src/memory.ts'

type Method = Exclude<keyof SessionStore, 'now' | 'close' | 'subscribe'>

/** A store that notes its calls, and in which a test can put another answer in place of the right one. */
export interface TestStore extends SessionStore {
  readonly calls: string[]
  /** Answers the next call of this method, instead of the store. */
  next(method: Method, answer: (call: StoreCall) => unknown): void
}

export function testStore(): TestStore {
  const store = memoryStore()
  const calls: string[] = []
  const answers = new Map<string, ((call: StoreCall) => unknown)[]>()
  const noted = new Proxy(store, {
    get(target, name: Method) {
      const method = target[name] as ((...args: unknown[]) => unknown) | undefined
      if (typeof method !== 'function') return method
      if (name === ('now' as string) || name === ('close' as string)) return method.bind(target)
      return (...args: unknown[]) => {
        calls.push(name)
        const answer = answers.get(name)?.shift()
        return answer ? answer(args.at(-1) as StoreCall) : method.apply(target, args)
      }
    },
  })
  return Object.assign(Object.create(noted) as TestStore, {
    calls,
    next(method: Method, answer: (call: StoreCall) => unknown) {
      answers.set(method, [...(answers.get(method) ?? []), answer])
    },
  })
}

export function operationsOn(store: SessionStore, options: Omit<SessionsOptions, 'store'> = {}): Operations {
  return new Operations(readOptions({ store, ...options }))
}

/** A session to begin, of which only some things matter. */
export function beginning(operations: Operations, some: Partial<CreateSession> = {}): CreateSession {
  const note = operations.events.note('created', 'test')
  const usual = { userId: null, fields: new Map(), idleTimeout: 60_000, lifetime: 60_000 }
  return { ...usual, begun: performance.now(), note, ...some }
}

/** Does nothing else for so long, as a busy process does. */
export function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
