import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import type { ErrorRequestHandler } from 'express'
import { HeadersSentError } from '../../src/index.ts'
import { useBench } from '../adapter-contract.ts'
import { openWire, type Reply, serve, Visitor } from '../support/http.ts'
import { heldStore, openExpress } from './setup.ts'
import { versions } from './versions.ts'

const bench = useBench()

/** Ways to say a head, each as Node understands it. */
const heads: Record<string, (res: ServerResponse) => void> = {
  'an object': (res) => res.writeHead(201, { 'X-One': '1', 'Set-Cookie': ['a=1', 'b=2'] }).end('x'),
  'a message and an object': (res) => res.writeHead(201, 'Made', { 'X-One': '1' }).end('x'),
  'a message alone': (res) => res.writeHead(202, 'Taken').end('x'),
  'a flat array': (res) => res.writeHead(201, ['X-One', '1', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']).end('x'),
  'a flat array with a list in it': (res) => res.writeHead(201, ['Set-Cookie', ['a=1', 'b=2'], 'X-One', '1']).end('x'),
  'an array of pairs': (res) =>
    res
      .writeHead(201, [
        ['X-One', '1'],
        ['Set-Cookie', 'a=1'],
      ] as never)
      .end('x'),
  'headers that replace earlier ones': (res) => {
    res.setHeader('X-One', 'old')
    res.setHeader('X-Two', '2')
    res.writeHead(201, { 'X-One': 'new' }).end('x')
  },
  'an array that replaces earlier ones': (res) => {
    res.setHeader('X-One', 'old')
    res.writeHead(201, ['x-one', 'new', 'x-one', 'newer']).end('x')
  },
  'a status message on the response': (res) => {
    res.statusCode = 418
    res.statusMessage = 'Short and stout'
    res.end('x')
  },
  'a status message on the response, then writeHead': (res) => {
    res.statusMessage = 'Mine'
    res.writeHead(200).end('x')
  },
  'no headers at all': (res) => res.writeHead(200).end('x'),
  'a flush before the body': (res) => {
    res.setHeader('X-One', '1')
    res.flushHeaders()
    res.end('x')
  },
}

/** What the application said, without what Node, Express and the session add. */
function said({ status, message, headers, text }: Reply) {
  const { date: _, 'x-powered-by': __, 'set-cookie': cookies = [], ...rest } = headers
  return { status, message, headers: rest, cookies: cookies.filter((line) => !line.startsWith('sid=')), text }
}

for (const version of versions) {
  describe(`the head of a response on ${version.name}`, () => {
    for (const [what, respond] of Object.entries(heads)) {
      it(`is what Node makes of ${what}`, async (t) => {
        const plain = await serve(t, (_req, res) => respond(res))
        const expected = said(await new Visitor(t, plain).get('/'))
        const { visitor } = await openExpress(t, bench, version, {
          after(app, sessions) {
            app.get('/untouched', (_req, res) => respond(res))
            app.get('/changed', (req, res) => {
              sessions.of(req).data.step = 1
              respond(res)
            })
          },
        })
        const ada = visitor()
        assert.deepEqual(said(await ada.get('/untouched')), expected)
        const begun = await ada.get('/changed')
        assert.deepEqual(said(begun), expected)
        assert.equal(begun.cookies.filter((line) => line.startsWith('sid=')).length, 1)
      })
    }

    it('is frozen while the commit is on its way, as if it had left', async (t) => {
      const held = heldStore(bench)
      const codes: unknown[] = []
      const trying = (act: () => unknown) => {
        try {
          act()
        } catch (error) {
          codes.push((error as NodeJS.ErrnoException).code)
        }
      }
      const { visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            held.hold()
            res.setHeader('X-One', '1')
            assert.equal(res.headersSent, false)
            res.write('body')
            assert.equal(res.headersSent, true)
            assert.equal(res.writableEnded, false)
            trying(() => res.setHeader('X-One', '2'))
            trying(() => res.setHeaders(new Headers({ 'X-One': '2' })))
            trying(() => res.appendHeader('X-One', '2'))
            trying(() => res.removeHeader('X-One'))
            trying(() => res.writeHead(500))
            res.statusCode = 500
            res.statusMessage = 'No'
            res.end()
            assert.equal(res.writableEnded, true)
            held.release()
          })
        },
      })
      const reply = await visitor().get('/')
      assert.deepEqual(codes, Array(5).fill('ERR_HTTP_HEADERS_SENT'))
      assert.deepEqual([reply.status, reply.message, reply.headers['x-one'], reply.text], [200, 'OK', '1', 'body'])
    })

    it('that Node refuses fails in the handler, which can still answer', async (t) => {
      const { visitor } = await openExpress(t, bench, version, {
        after(app, sessions) {
          const wrong: Record<string, (res: ServerResponse) => void> = {
            ERR_HTTP_INVALID_STATUS_CODE: (res) => res.writeHead(99).end(),
            ERR_INVALID_ARG_VALUE: (res) => res.writeHead(200, ['X-One']).end(),
            ERR_HTTP_INVALID_HEADER_VALUE: (res) => res.writeHead(200, { 'X-One': undefined }).end(),
            ERR_STREAM_NULL_VALUES: (res) => res.write(null),
            ERR_INVALID_ARG_TYPE: (res) => res.end(1),
          }
          app.get('/:code', (req, res) => {
            sessions.of(req).data.step = 1
            wrong[req.params.code]?.(res)
          })
          app.get('/bare/status', (req, res) => {
            sessions.of(req).data.step = 1
            res.statusCode = 1000
            res.end()
          })
          app.use(((error, _req, res, _next) => {
            res.status(400).end(error.code)
          }) satisfies ErrorRequestHandler)
        },
      })
      const ada = visitor()
      for (const code of [
        'HTTP_INVALID_STATUS_CODE',
        'INVALID_ARG_VALUE',
        'HTTP_INVALID_HEADER_VALUE',
        'STREAM_NULL_VALUES',
        'INVALID_ARG_TYPE',
      ]) {
        const reply = await ada.get(`/ERR_${code}`)
        assert.deepEqual([reply.status, reply.text, reply.cookies], [400, `ERR_${code}`, []])
      }
      assert.equal((await ada.get('/bare/status')).text, 'ERR_HTTP_INVALID_STATUS_CODE')
      assert.deepEqual((await ada.get('/seen')).json.data, {})
    })

    it('leaves at flushHeaders when the commit is done, not before', async (t) => {
      const held = heldStore(bench)
      const { server } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            held.hold()
            res.flushHeaders()
            // Not even a later write lets it go.
            res.write('first')
            res.writeProcessing()
          })
        },
      })
      const wire = await openWire(t, server)
      wire.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      // The 1xx response came through; the answer itself has not.
      const early = await wire.until((text) => text.includes('102 Processing'))
      assert.doesNotMatch(early, /200 OK/)
      held.release()
      const head = await wire.until((text) => text.includes('first'))
      assert.match(head, /HTTP\/1.1 200 OK\r\n.*Set-Cookie: sid=.*\r\n\r\n5\r\nfirst\r\n$/s)
    })

    it('lets 1xx responses pass while it is held', async (t) => {
      const held = heldStore(bench)
      const { visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            held.hold()
            res.writeContinue()
            res.end('answer')
            res.writeProcessing()
            res.writeEarlyHints({ link: '</style.css>; rel=preload' }, held.release)
          })
        },
      })
      const reply = await visitor().get('/')
      assert.deepEqual(
        reply.informational.map(({ status }) => status),
        [100, 102, 103],
      )
      assert.equal(reply.informational.at(-1)?.headers.link, '</style.css>; rel=preload')
      assert.deepEqual([reply.status, reply.text, reply.cookies.length], [200, 'answer', 1])
    })

    it('of an answer without a body is its end, and waits for changes made until then', async (t) => {
      const held = heldStore(bench)
      const { visitor, sessions } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app) {
          const late = (status: number, headers = {}) => {
            return (req: object, res: ServerResponse) => {
              res.writeHead(status, headers)
              res.flushHeaders()
              assert.equal(res.headersSent, true)
              res.flushHeaders()
              setImmediate(() => {
                sessions.of(req).data.step = status
                held.hold()
                res.end()
                // Had the head left, the client would have it by now.
                setImmediate(setImmediate, held.release)
              })
            }
          }
          app.all('/200', late(200, { 'Content-Length': 3 }))
          app.all('/204', late(204))
          app.all('/304', late(304))
          app.all('/205', late(205, { 'Content-Length': 0 }))
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      for (const [method, status] of [
        ['HEAD', 200],
        ['GET', 204],
        ['GET', 304],
        ['GET', 205],
      ] as const) {
        const reply = await ada.send(`/${status}`, { method })
        assert.deepEqual([reply.status, reply.text], [status, ''])
        assert.equal((await ada.get('/seen')).json.data.step, status)
      }
    })

    it('that left before the sessions were mounted is left alone; changes are committed before the end', async (t) => {
      const { visitor, errors } = await openExpress(t, bench, version, {
        before(app) {
          app.use('/early', (_req, res, next) => {
            res.write('early ')
            next()
          })
        },
        after(app, sessions) {
          app.get('/early', (req, res) => {
            sessions.of(req).data.step = 1
            res.end('late')
          })
        },
      })
      const ada = visitor()
      await assert.rejects(ada.get('/early'), { code: 'ECONNRESET' })
      assert.ok(errors[0] instanceof HeadersSentError)
      await ada.post('/begin')
      assert.equal((await ada.get('/early')).text, 'early late')
      assert.equal((await ada.get('/seen')).json.data.step, 1)
    })
  })
}
