import { createBeside } from '../core/beside.ts'

type Next = (error?: unknown) => void
type Request = object & { next?: Next }

/** One layer of Express's router: Express 4 calls its methods `handle_request` and `handle_error`. */
type Layer = Record<string, unknown>
type HandleRequest = (req: Request, res: unknown, next: Next) => unknown
type HandleError = (error: unknown, req: Request, res: unknown, next: Next) => unknown

/** Where Express 4 (`_router`) and 5 (`router`) keep the layers. */
export interface ExpressApp {
  _router?: { stack?: object[] }
  router?: { stack?: object[] }
}

/** Who wants to know of failures of one request; the failure that they have been told of. */
interface Watch {
  readonly observers: (() => void)[]
  told?: unknown
}

const watches = createBeside<Watch>()
const watchedLayers = new WeakSet<object>()
const watchful: unique symbol = Symbol('coatcheck')

/**
 * Calls `onFailure` when a handler further down throws, rejects or calls `next(error)`. Express tells a middleware nothing of
 * that, and the status does not either (a handler may answer 401 and mean its changes), so the methods through which the
 * router calls every handler are wrapped, once for each copy of Express (docs/decisions/004-express-errors.md).
 */
export function observeFailure(req: Request & { app?: ExpressApp }, onFailure: () => void): void {
  const watch = watches.get(req)
  if (watch !== undefined) {
    watch.observers.push(onFailure)
    return
  }
  watches.set(req, { observers: [onFailure] })
  // In Express 4, `app.router` is a getter that throws.
  const router = req.app?._router ?? req.app?.router
  const layer = router?.stack?.[0]
  if (layer !== undefined) watchLayers(Object.getPrototypeOf(layer))
}

function watchLayers(prototype: Layer): void {
  if (watchedLayers.has(prototype)) return
  watchedLayers.add(prototype)
  for (const method of ['handleRequest', 'handle_request']) {
    wrap<HandleRequest>(prototype, method, (original) => {
      return function (this: unknown, req, res, next) {
        if (watches.get(req) !== undefined) {
          // Express's own methods fail through this one: res.render, res.sendFile.
          if (req.next !== undefined && !(watchful in req.next)) req.next = watched(req, req.next) // guard: Express's own failures
          next = watched(req, next)
        }
        return original.call(this, req, res, next)
      }
    })
  }
  // What fails between the handlers (a parameter's callback, a path that cannot be decoded) is first seen here.
  for (const method of ['handleError', 'handle_error']) {
    wrap<HandleError>(prototype, method, (original) => {
      return function (this: unknown, error, req, res, next) {
        tell(req, error)
        return original.call(this, error, req, res, next)
      }
    })
  }
}

function wrap<Method>(prototype: Layer, name: string, around: (original: Method) => Method): void {
  if (typeof prototype[name] === 'function') prototype[name] = around(prototype[name] as Method)
}

function watched(req: object, next: Next): Next {
  const telling: Next & { [watchful]?: true } = (error) => {
    tell(req, error)
    next(error)
  }
  telling[watchful] = true
  return telling
}

/** Once for each failure: an error handler may change the session and then pass the same error on. */
function tell(req: object, error: unknown): void {
  // next('route') and next('router') are no errors.
  if (!error || error === 'route' || error === 'router') return // guard: no failure
  const watch = watches.get(req)
  if (watch === undefined || watch.told === error) return
  watch.told = error
  for (const onFailure of watch.observers) onFailure()
}
