import type { Express } from 'express'
import type { SessionOptions, Store } from 'express-session'
import { type Deferred, deferred, type Scope } from '../support/http.ts'
import type { RedisClient } from '../support/redis-server.ts'
import { type App, openApp } from './apps.ts'
import { Sessions } from './connect-redis-sessions.ts'

// Instances of one application that serve the same users, of which some have been deployed before a change and some after it.

/** One of the instances, as a person meets it. */
export interface Instance extends App {
  readonly store: Store
  /** Requests to `/slow` that have read their session and wait to write it. */
  readonly waiting: Deferred[]
}

type Make = (options?: Partial<SessionOptions>) => Promise<Instance>

/** What makes instances of each version, all of them on the same Redis. */
export function deployments(scope: Scope, client: RedisClient, sessions: Sessions = new Sessions(client)) {
  const { from } = sessions
  const make = (store: () => Store) => (options?: Partial<SessionOptions>) => instance(scope, store(), options)
  return {
    sessions,
    connectRedis: make(() => sessions.theirs()) as Make,
    rolling: make(() => sessions.ours({ migrate: { from, rolling: true } })) as Make,
    migrate: make(() => sessions.ours()) as Make,
  }
}

async function instance(scope: Scope, store: Store, options?: Partial<SessionOptions>): Promise<Instance> {
  const waiting: Deferred[] = []
  const routes = (app: Express) => {
    app.get('/', (req, res) => {
      const { cookie: _, ...own } = req.session
      res.json(own)
    })
    app.post('/login/:user', (req, res, next) => {
      req.session.regenerate((error) => {
        if (error) return next(error)
        req.session.user = req.params.user
        res.json({})
      })
    })
    app.post('/set/:name/:value', (req, res) => {
      req.session[req.params.name] = req.params.value
      res.json({})
    })
    app.post('/slow/:name/:value', async (req, res) => {
      const gate = deferred()
      waiting.push(gate)
      await gate.promise
      req.session[req.params.name] = req.params.value
      // Saved before the answer, so that the answer says what became of it.
      req.session.save((error: { code?: string } | null) => {
        if (error) res.status(500).json({ code: error.code })
        else res.json({})
      })
    })
    app.post('/logout', (req, res, next) => {
      req.session.destroy((error) => (error ? next(error) : res.json({})))
    })
  }
  return { ...(await openApp(scope, store, routes, options)), store, waiting }
}

/** Somebody whom any instance may serve, with one jar of cookies. */
export class Person {
  #cookie = ''

  /** The session id that the cookie holds. */
  get sid(): string {
    const [, sid = ''] = /^connect\.sid=s:(.*)\.[^.]+$/.exec(decodeURIComponent(this.#cookie)) ?? []
    return sid
  }

  /** Somebody with the same cookie, whatever becomes of this one's. */
  copy(): Person {
    const other = new Person()
    other.#cookie = this.#cookie
    return other
  }

  async send(to: Instance, method: string, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = this.#cookie === '' ? {} : { cookie: this.#cookie }
    const response = await fetch(to.server.url + path, { method, headers })
    for (const line of response.headers.getSetCookie()) this.#cookie = line.split(';')[0] ?? ''
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  /** What an instance knows of the session. */
  async seenBy(to: Instance): Promise<Record<string, unknown>> {
    return (await this.send(to, 'GET', '/')).body
  }

  /** @throws if it is not answered with success */
  async post(to: Instance, path: string): Promise<void> {
    const { status, body } = await this.send(to, 'POST', path)
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
  }

  /** Somebody who has logged in. */
  static async loggedIn(at: Instance, user = 'Ada'): Promise<Person> {
    const person = new Person()
    await person.post(at, `/login/${user}`)
    return person
  }
}
