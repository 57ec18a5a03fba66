import { lastMounted } from '../core/mounted.ts'

type Next = (error?: unknown) => void
type Request = object & { next?: Next }

/** One layer of Express's router: Express 4 calls its methods `handle_request` and `handle_error`. */
type Layer = Record<string | symbol, unknown>
type HandleRequest = (req: Request, res: unknown, next: Next) => unknown
type HandleError = (error: unknown, req: Request, res: unknown, next: Next) => unknown

/** Where Express 4 (`_router`) and 5 (`router`) keep the layers. */
export interface ExpressApp {
  _router?: { stack?: object[] }
  router?: { stack?: object[] }
}

/** Noted with what is mounted on a request: Express's failures are told to it. */
export class Watch {
  /** The failure that has been told. */
  told: unknown
}

const watchedApps = new WeakSet<ExpressApp>()
const watchful: unique symbol = Symbol('coatcheck')

/**
 * Sees to it that what a request has changed is discarded when a handler further down throws, rejects or calls `next(error)`, if
 * its session was mounted with a {@link Watch}. Express tells a middleware nothing of that, and the status does not either (a
 * handler may answer 401 and mean its changes), so the methods through which the router calls every handler are wrapped, once for
 * each copy of Express (docs/decisions/004-express-errors.md).
 */
export function observeFailures({ app }: { app?: ExpressApp }): void {
  if (app === undefined || watchedApps.has(app)) return
  // In Express 4, `app.router` is a getter that throws.
  const router = app._router ?? app.router
  const layer = router?.stack?.[0]
  if (layer === undefined) return
  watchLayers(Object.getPrototypeOf(layer))
  watchedApps.add(app)
}

function watchLayers(prototype: Layer): void {
  if (watchful in prototype) return
  prototype[watchful] = true
  for (const method of ['handleRequest', 'handle_request']) {
    wrap<HandleRequest>(prototype, method, (original) => {
      return function (this: unknown, req, res, next) {
        if (lastMounted(req) !== undefined) {
          const told = next
          next = watched(req, next)
          // Express's own methods fail through this one: res.render, res.sendFile.
          if (req.next !== undefined) req.next = req.next === told ? next : watched(req, req.next) // guard: Express's own failures
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

function watched(req: object, next: Next & { [watchful]?: true }): Next {
  if (watchful in next) return next
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
  for (let mounted = lastMounted(req); mounted !== undefined; mounted = mounted.before) {
    const { note, state } = mounted
    if (!(note instanceof Watch) || note.told === error) continue
    note.told = error
    state.discard() // guard: discard
  }
}
