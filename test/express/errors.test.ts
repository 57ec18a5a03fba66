import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { describe, it } from 'node:test'
import compression from 'compression'
import type { ErrorRequestHandler, Express, NextFunction, Request, RequestHandler, Response } from 'express'
import { expressSessions } from '../../src/express.ts'
import type { Sessions } from '../../src/index.ts'
import { type Data, useBench } from '../adapter-contract.ts'
import { eventually, headOf, serve, Visitor } from '../support/http.ts'
import { openExpress } from './setup.ts'
import { express5, type Version, versions } from './versions.ts'

const bench = useBench()

/** Ways to fail in Express, each after the session was changed. `GET /fail` reaches them. */
const failures: Record<string, (app: Express, change: RequestHandler, version: Version) => void> = {
  'a handler that throws': (app, change) => {
    app.get('/fail', change, () => {
      throw new Error('no')
    })
  },
  'next(error)': (app, change) => {
    app.get('/fail', change, (_req, _res, next) => next(new Error('no')))
  },
  'next(error), later': (app, change) => {
    app.get('/fail', change, (_req, _res, next) => {
      setImmediate(() => next(new Error('no')))
    })
  },
  'an error that is no Error': (app, change) => {
    app.get('/fail', change, (_req, _res, next) => next('no' as never))
  },
  'a middleware': (app, change) => {
    app.use('/fail', change, () => {
      throw new Error('no')
    })
  },
  'a nested router': (app, change, { express }) => {
    const [outer, inner] = [express.Router(), express.Router()]
    inner.get('/', change, () => {
      throw new Error('no')
    })
    app.use('/fail', outer.use(inner))
  },
  'a nested application': (app, change, { express }) => {
    const inner = express()
    inner.get('/', change, () => {
      throw new Error('no')
    })
    app.use('/fail', inner)
  },
  'a view that cannot be rendered': (app, change) => {
    app.engine('ts', (_path, _options, done) => setImmediate(() => done(new Error('no'))))
    app.get('/fail', change, (_req, res) => res.render(import.meta.filename))
  },
  'a file that is not there': (app, change) => {
    app.get('/fail', change, (_req, res) => res.sendFile('nothing', { root: import.meta.dirname }))
  },
  'a parameter': (app, change) => {
    app.use(change)
    app.param('name', (_req, _res, next) => next(new Error('no')))
    app.get('/:name', (_req, res) => res.json({}))
    app.use((_req, res) => void res.status(404).end())
  },
}

for (const version of versions) {
  describe(`errors on ${version.name}`, () => {
    for (const [what, fail] of Object.entries(failures)) {
      it(`discard what was changed before: ${what}`, async (t) => {
        const { visitor } = await openExpress(t, bench, version, {
          after(app, sessions) {
            fail(app, change(sessions), version)
          },
        })
        const ada = visitor()
        await ada.post('/begin')
        const reply = await ada.get('/fail')
        assert.ok(reply.status >= 400)
        assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
      })
    }

    it('that an error handler answers discard the changes too: as 4xx, as a redirect', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/400', change(sessions), () => {
            throw new Error('bad')
          })
          app.get('/redirect', change(sessions), (_req, _res, next) => next(new Error('bad')))
          app.use(((_error, req, res, _next) => {
            if (req.path === '/redirect') res.redirect('/seen')
            else res.status(400).json({ error: 'bad' })
          }) satisfies ErrorRequestHandler)
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      assert.deepEqual((await ada.get('/400')).json, { error: 'bad' })
      assert.equal((await ada.get('/redirect')).status, 302)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    it('leave alone what an error handler itself changes, even if it passes the error on', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/fail', change(sessions), () => {
            throw new Error('bad')
          })
          app.use(((error, req, _res, next) => {
            sessions.of(req).data.note = 'it failed'
            next(error)
          }) satisfies ErrorRequestHandler)
          app.use(((_error, _req, res, _next) => {
            res.redirect('/seen')
          }) satisfies ErrorRequestHandler)
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      assert.equal((await ada.get('/fail')).status, 302)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada', note: 'it failed' })
    })

    it("are not next('route') and next('router'): the changes stay", async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          const router = version.express.Router()
          router.get('/:way', change(sessions), (req, _res, next) => next(req.params.way as 'route'))
          router.get('/:way', (_req, res) => res.send('route'))
          app.use(router)
          app.use((_req, res) => void res.send('router'))
        },
      })
      for (const way of ['route', 'router']) {
        const ada = visitor()
        assert.equal((await ada.get(`/${way}`)).text, way)
        assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Eve' })
      }
    })

    it('after res.json() come too late: the client gets the answer, once, and the error is logged', async (t) => {
      const { visitor, errors } = await openExpress(t, bench, version, {
        before: (app) => app.set('env', 'development'),
        after(app, sessions) {
          app.get('/late', (req, res) => {
            sessions.of(req).data.name = 'Eve'
            res.json({ ok: true })
            throw new Error('thrown after the answer')
          })
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const reply = await ada.get('/late')
      assert.deepEqual([reply.status, reply.json], [200, { ok: true }])
      assert.equal(reply.headers.connection, 'close', 'Express is about to close it')
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Eve' }, 'what was answered is stored')
      await eventually(() => bench.heard.some((said) => String(said).includes('thrown after the answer')))
      assert.deepEqual(errors, [])
    })

    it('after res.json() come too late behind compression as well', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        before: (app) => app.use(compression({ threshold: 0 })),
        after(app, sessions) {
          app.get('/late', (req, res) => {
            sessions.of(req).data.name = 'Eve'
            res.json({ ok: true })
            throw new Error('thrown after the answer')
          })
        },
      })
      const ada = visitor()
      const reply = await ada.get('/late', { headers: { 'accept-encoding': 'gzip' } })
      assert.equal(reply.headers['content-encoding'], 'gzip')
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Eve' })
    })

    it('in the midst of an answer break it off', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/midst', (req, res) => {
            sessions.of(req).data.name = 'Eve'
            res.write('first')
            throw new Error('no')
          })
        },
      })
      const ada = visitor()
      await assert.rejects(async () => {
        for await (const chunk of await headOf(ada.begin('/midst'))) assert.ok(chunk)
      })
      assert.equal((await ada.get('/seen')).status, 200, 'the server serves on')
    })

    it('of one request are not those of another that runs at the same time', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/good', (req, res) => {
            sessions.of(req).data.note = 'good'
            setImmediate(() => res.json({}))
          })
          app.get('/fail', change(sessions), (_req, _res, next) => next(new Error('no')))
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      await Promise.all([ada.get('/good'), ada.get('/fail'), ada.get('/fail')])
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada', note: 'good' })
    })
  })
}

describe('errors on Express 5', () => {
  it('discard what was changed before: a handler that rejects', async (t) => {
    const { visitor } = await openExpress(t, bench, express5, {
      after(app, sessions) {
        app.get('/fail', change(sessions), async () => {
          await new Promise(setImmediate)
          throw Object.assign(new Error('no'), { status: 409 })
        })
        app.get('/nothing', change(sessions), () => Promise.reject())
      },
    })
    const ada = visitor()
    await ada.post('/begin')
    assert.equal((await ada.get('/fail')).status, 409)
    assert.equal((await ada.get('/nothing')).status, 500)
    assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
  })

  it('are seen while the router is being traced', async (t) => {
    let seen = 0
    const traced = tracingChannel('express.router.request')
    const subscriber = {
      start: () => void seen++,
      end: () => undefined,
      asyncStart: () => undefined,
      asyncEnd: () => undefined,
      error: () => undefined,
    }
    traced.subscribe(subscriber)
    t.after(() => traced.unsubscribe(subscriber))
    const { visitor } = await openExpress(t, bench, express5, {
      after(app, sessions) {
        app.get('/fail', change(sessions), async () => {
          throw new Error('no')
        })
      },
    })
    const ada = visitor()
    await ada.post('/begin')
    assert.equal((await ada.get('/fail')).status, 500)
    assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    assert.ok(seen > 0)
  })

  it('cannot be seen without a router: then the adapter serves all the same', async (t) => {
    const sessions = bench.sessions()
    const middleware = expressSessions(sessions)
    const server = await serve(t, (req, res) => {
      middleware(req, res, (error) => {
        sessions.of(req).data.note = 'no router'
        res.end(String(error))
      })
    })
    const ada = new Visitor(t, server)
    assert.equal((await ada.get('/')).text, 'undefined')
    assert.ok(ada.token)
  })
})

/** A middleware that changes the session, and goes on. */
function change(sessions: Sessions<Data>): (req: Request, res: Response, next: NextFunction) => void {
  return (req, _res, next) => {
    if (req.path !== '/begin' && req.path !== '/seen') sessions.of(req).data.name = 'Eve'
    next()
  }
}
