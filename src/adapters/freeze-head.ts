import type { ServerResponse } from 'node:http'
import { override } from './override.ts'
import { headersSentError } from './response-head.ts'

/** Under which a frozen response has the answer to whether the application has ended it. */
const ENDED: unique symbol = Symbol('coatcheck')

type Freezable = ServerResponse & { [ENDED]?: (() => boolean) | null }

/** What is read of a response. */
const HEADERS_SENT = reading('headersSent', () => true) // guard: frozen head
const WRITABLE_ENDED = reading('writableEnded', (ended) => ended())

/** What is called on it. */
const METHODS = {
  setHeader: calling('setHeader', refuse),
  setHeaders: calling('setHeaders', refuse),
  appendHeader: calling('appendHeader', refuse),
  removeHeader: calling('removeHeader', refuse),
  // What asks for the head although `headersSent` says that it is gone (older compression middleware).
  _implicitHeader: calling('_implicitHeader', () => undefined),
}

const PROPERTIES: PropertyDescriptorMap = {
  headersSent: HEADERS_SENT,
  writableEnded: WRITABLE_ENDED,
  ...Object.fromEntries(Object.entries(METHODS).map(([name, value]) => [name, { value, writable: true }])),
}
const NAMES = Object.keys(PROPERTIES)

/**
 * Status and headers stay what they are, as if the head had left, until the returned function is called.
 *
 * What this puts on a response is the same for all, and stays when it has thawed: one that properties are taken from again is
 * slow for the rest of its life, which cost a third of a write.
 */
export function freezeHead(res: Freezable, ended: () => boolean): () => void {
  const before = res[ENDED] ?? null
  // What somebody else has put there comes back.
  const isTaken = NAMES.some((name) => Object.hasOwn(res, name))
  const restore = isTaken ? override(res, PROPERTIES) : undefined
  if (!isTaken) put(res)
  res[ENDED] = ended
  return () => {
    res[ENDED] = before
    restore?.()
  }
}

/** One by one and, where it can be, by assignment: `Object.defineProperties` takes six times as long. */
function put(res: Freezable): void {
  Reflect.defineProperty(res, 'headersSent', HEADERS_SENT)
  Reflect.defineProperty(res, 'writableEnded', WRITABLE_ENDED)
  const own = res as unknown as typeof METHODS
  own.setHeader = METHODS.setHeader
  own.setHeaders = METHODS.setHeaders
  own.appendHeader = METHODS.appendHeader
  own.removeHeader = METHODS.removeHeader
  own._implicitHeader = METHODS._implicitHeader
}

function reading(name: string, answer: (ended: () => boolean) => boolean): PropertyDescriptor {
  return {
    configurable: true,
    get(this: Freezable): unknown {
      const ended = this[ENDED]
      return ended ? answer(ended) : below(this, name)
    },
  }
}

function calling(name: string, frozen: () => unknown) {
  return function (this: Freezable, ...args: unknown[]): unknown {
    return this[ENDED] ? frozen() : (below(this, name) as (...args: unknown[]) => unknown).apply(this, args)
  }
}

function refuse(): never {
  throw headersSentError('set')
}

/** What a response has from its class. */
function below(res: Freezable, name: string): unknown {
  return Reflect.get(Object.getPrototypeOf(res), name, res)
}
