import type { ServerResponse } from 'node:http'
import { override } from './override.ts'
import { headersSentError } from './response-head.ts'

/** Under which a frozen response has the answer to whether the application has ended it. */
const ENDED: unique symbol = Symbol('coatcheck')

type Freezable = ServerResponse & { [ENDED]?: (() => boolean) | null }

/**
 * The same for all responses, and they stay when the response has thawed: one that properties are taken from again is slow for
 * the rest of its life, which cost a third of a write.
 */
const FROZEN: PropertyDescriptorMap = Object.fromEntries(
  Object.entries({
    headersSent: reading(() => true), // guard: frozen head
    writableEnded: reading((ended) => ended()),
    setHeader: calling(refuse),
    setHeaders: calling(refuse),
    appendHeader: calling(refuse),
    removeHeader: calling(refuse),
    // What asks for the head although `headersSent` says that it is gone (older compression middleware).
    _implicitHeader: calling(() => undefined),
  }).map(([name, property]) => [name, property(name)]),
)
const NAMES = Object.keys(FROZEN)

/** Status and headers stay what they are, as if the head had left, until the returned function is called. */
export function freezeHead(res: Freezable, ended: () => boolean): () => void {
  const before = res[ENDED] ?? null
  // What somebody else has put there comes back.
  const isTaken = NAMES.some((name) => Object.hasOwn(res, name))
  const restore = isTaken ? override(res, FROZEN) : undefined
  if (!isTaken) for (const name of NAMES) put(res as unknown as Record<string, unknown>, name)
  res[ENDED] = ended
  return () => {
    res[ENDED] = before
    restore?.()
  }
}

/** By assignment where it can be: defining all of them took twice as long. */
function put(res: Record<string, unknown>, name: string): void {
  const { value } = FROZEN[name] as PropertyDescriptor
  if (value === undefined) Reflect.defineProperty(res, name, FROZEN[name] as PropertyDescriptor)
  else res[name] = value
}

/** A property that is read. */
function reading(answer: (ended: () => boolean) => boolean) {
  return (name: string): PropertyDescriptor => ({
    configurable: true,
    get(this: Freezable): unknown {
      const ended = this[ENDED]
      return ended ? answer(ended) : below(this, name)
    },
  })
}

/** A method that is called. */
function calling(frozen: () => unknown) {
  return (name: string): PropertyDescriptor => ({
    writable: true,
    value(this: Freezable, ...args: unknown[]): unknown {
      return this[ENDED] ? frozen() : (below(this, name) as (...args: unknown[]) => unknown).apply(this, args)
    },
  })
}

function refuse(): never {
  throw headersSentError('set')
}

/** What a response has from its class. */
function below(res: Freezable, name: string): unknown {
  return Reflect.get(Object.getPrototypeOf(res), name, res)
}
