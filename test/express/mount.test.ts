import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import type { NextFunction, Request, Response } from 'express'
import { expressSessions } from '../../src/express.ts'
import { MountError } from '../../src/index.ts'
import { useBench } from '../adapter-contract.ts'
import { eventually } from '../support/http.ts'
import { openExpress } from './setup.ts'
import { versions } from './versions.ts'

const bench = useBench()

/** What express-session leaves on a request. */
function otherSession(req: IncomingMessage, _res: unknown, next: NextFunction): void {
  Object.assign(req, { session: { cookie: {}, views: 7 } })
  next()
}

function sessionOf(req: object): unknown {
  return (req as { session?: unknown }).session
}

for (const version of versions) {
  describe(`the adapter on ${version.name}`, () => {
    it('is req.session too', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/', (req, res) => void res.json(sessionOf(req) === sessions.of(req)))
        },
      })
      assert.equal((await visitor().get('/')).json, true)
    })

    it('leaves req.session to express-session with reqSession: false', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        options: { reqSession: false },
        before: (app) => app.use(otherSession),
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            res.json(sessionOf(req))
          })
        },
      })
      const ada = visitor()
      assert.deepEqual((await ada.get('/')).json, { cookie: {}, views: 7 })
      assert.deepEqual((await ada.get('/seen')).json.data, { step: 1 })
    })

    it('says so when req.session is taken', async (t) => {
      let failure: unknown
      const { visitor } = await openExpress(t, bench, version, {
        before: (app) => app.use(otherSession),
        after(app) {
          app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
            failure = bench.note(error)
            res.status(500).end()
          })
        },
      })
      assert.equal((await visitor().get('/seen')).status, 500)
      assert.ok(failure instanceof MountError)
      assert.match(failure.message, /req\.session is taken by another middleware: pass \{ reqSession: false \}/)
    })

    it('says that it is mounted twice, with reqSession: false as well', async (t) => {
      for (const reqSession of [true, false]) {
        let failure: unknown
        const { visitor } = await openExpress(t, bench, version, {
          options: { reqSession },
          after(app, sessions) {
            app.use('/twice', expressSessions(sessions, { reqSession }))
            app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
              failure = bench.note(error)
              res.status(500).end()
            })
          },
        })
        assert.equal((await visitor().get('/twice')).status, 500)
        assert.ok(failure instanceof MountError)
        assert.match(failure.message, /mounted twice/)
      }
    })

    it('tells the console of a commit that failed, unless onError does otherwise', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        options: { onError: undefined } as object,
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = Number.NaN
            res.json({})
          })
        },
      })
      const before = bench.heard.length
      assert.equal((await visitor().get('/')).status, 500)
      assert.equal((bench.heard[before] as { code?: string }).code, 'ERR_FIELD_VALUE')
    })

    it('tells onError of which request it speaks, and survives an onError that throws', async (t) => {
      const urls: unknown[] = []
      const { visitor } = await openExpress(t, bench, version, {
        options: {
          onError(_error, req) {
            urls.push(req.url)
            throw new Error('onError itself')
          },
        },
        after(app, sessions) {
          app.get('/broken', (req, res) => {
            sessions.of(req).data.step = Number.NaN
            res.json({})
          })
        },
      })
      const ada = visitor()
      assert.deepEqual((await ada.get('/broken')).json, { error: 'Internal server error' })
      assert.deepEqual(urls, ['/broken'])
      assert.ok(bench.heard.some((said) => String(said).includes('onError itself')))
    })

    it('counts a request as activity whose touch option throws, and reports it', async (t) => {
      const { visitor, errors, sessions } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ touchInterval: 0 }),
        options: {
          touch() {
            throw new Error('touch itself')
          },
        },
        after: () => undefined,
      })
      const ada = visitor()
      await ada.post('/begin')
      const { id } = (await ada.get('/seen')).json
      assert.match(String(errors[0]), /touch itself/)
      // The touch has been sent with the response; closing waits for it.
      const first = (await sessions.find(id))?.lastAccessedAt
      let reply = await ada.get('/seen')
      while ((await sessions.find(id))?.lastAccessedAt === first) reply = await ada.get('/seen')
      assert.equal(reply.status, 200)
    })

    it('leaves a connection that can be destroyed, and puts no more on it, when two sets of sessions have held a response', async (t) => {
      const others = bench.sessions({ cookie: { secure: false, name: 'admin' } })
      const seen: { destroyed: boolean; destroy: unknown }[] = []
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.use(expressSessions(others, { reqSession: false }))
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            others.of(req).data.step = 2
            const { socket } = req
            const look = () => {
              const { destroy } = socket
              // At the end it is.
              if (req.query.destroy === 'yes') socket.destroy()
              seen.push({ destroyed: socket.destroyed, destroy })
            }
            res.on('finish', () => setImmediate(look))
            res.json({})
          })
        },
      })
      const ada = visitor()
      await ada.get('/')
      await ada.get('/')
      await ada.get('/?destroy=yes')
      await eventually(() => seen.length === 3)
      assert.deepEqual(
        seen.map(({ destroyed }) => destroyed),
        [false, false, true],
      )
      assert.equal(new Set(seen.map(({ destroy }) => destroy)).size, 1)
    })

    it('puts back what somebody else had put on the connection', async (t) => {
      const destroyed: string[] = []
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/', (req, res) => {
            const { socket } = req
            const { destroy } = socket
            const theirs = function (this: typeof socket, error?: Error) {
              destroyed.push('by theirs')
              return destroy.call(this, error)
            }
            socket.destroy = theirs
            sessions.of(req).data.step = 1
            res.on('finish', () =>
              setImmediate(() => {
                destroyed.push(socket.destroy === theirs ? 'theirs' : 'another')
                socket.destroy()
              }),
            )
            res.json({})
          })
        },
      })
      await visitor().get('/')
      await eventually(() => destroyed.length === 2)
      assert.deepEqual(destroyed, ['theirs', 'by theirs'])
    })

    it('keeps the cookie of one set of sessions when the commit of the other fails', async (t) => {
      const others = bench.sessions({ cookie: { secure: false, name: 'admin' } })
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.use(expressSessions(others, { reqSession: false }))
          app.get('/', (req, res) => {
            sessions.of(req).data.step = Number.NaN
            others.of(req).data.step = 2
            res.cookie('theme', 'dark').json({})
          })
        },
      })
      const ada = visitor()
      assert.equal((await ada.get('/')).status, 500)
      assert.deepEqual([...ada.cookies.keys()], ['admin'])
    })

    it('does not warn of plain http behind a proxy that Express trusts', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ cookie: {} }),
        before: (app) => app.set('trust proxy', 1),
        after: () => undefined,
      })
      const before = bench.heard.length
      const reply = await visitor().post('/begin', { headers: { 'x-forwarded-proto': 'https' } })
      assert.match(reply.cookies.join(), /^__Host-sid=/)
      await new Promise(setImmediate)
      assert.deepEqual(bench.heard.slice(before), [])
    })
  })
}
