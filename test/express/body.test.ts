import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import { type SessionStore, StoreError } from '../../src/index.ts'
import { useBench } from '../adapter-contract.ts'
import { deferred, openWire, type Reply, serve, Visitor } from '../support/http.ts'
import { heldStore, openExpress } from './setup.ts'
import { versions } from './versions.ts'

const bench = useBench()
const unavailable = () => new StoreError('ERR_STORE_UNAVAILABLE', 'There is no connection to Redis.', 'none')

/** Ways to say a body. `change` is where the application changes its session; each ends the response in its own way. */
const bodies: Record<string, (res: ServerResponse, change: () => void) => unknown> = {
  'one end': (res, change) => {
    change()
    res.end('whole')
  },
  'a change between writes': (res, change) => {
    res.write('one ')
    change()
    res.write('two')
    res.end()
  },
  'encodings and callbacks': (res, change) => {
    res.write('caf\u00e9', 'latin1', () => {
      change()
      res.write(new Uint8Array([33]), () => res.end('3f', 'hex', () => undefined))
    })
  },
  'end with a callback alone': (res, change) => {
    change()
    res.write('x')
    res.end(() => undefined)
  },
  'a length known before': (res, change) => {
    res.setHeader('Content-Length', 6)
    res.write('abc')
    change()
    res.write('def', () => res.end())
  },
  'a length known before, byte by byte': (res, change) => {
    res.setHeader('Content-Length', 2)
    change()
    res.write('a')
    res.write('b')
    res.end()
  },
  'a length known before, the last part with the end': (res, change) => {
    res.writeHead(200, { 'Content-Length': 6 })
    res.write('abc')
    change()
    res.end('def')
  },
  'a length known before, in an encoding': (res, change) => {
    res.setHeader('Content-Length', 3)
    change()
    res.write('6120', 'hex')
    res.end('4b', 'hex')
  },
  'a length known before, all in one write': (res, change) => {
    res.setHeader('Content-Length', '4')
    res.write('\u00e9\u00e9')
    change()
    res.end()
  },
  'a length of nothing': (res, change) => {
    res.setHeader('Content-Length', 0)
    change()
    res.end()
  },
  'empty writes': (res, change) => {
    res.write('')
    change()
    res.write(Buffer.alloc(0))
    res.end('')
  },
  'corked writes': (res, change) => {
    res.cork()
    res.write('a')
    change()
    res.write('b')
    res.uncork()
    process.nextTick(() => res.end('c'))
  },
  'a cork that is never drawn': (res, change) => {
    res.cork()
    change()
    res.write('a')
    res.end('b')
  },
  trailers: (res, change) => {
    // Node refuses trailers where there is no body.
    if (res.req.method !== 'HEAD') res.setHeader('Trailer', 'X-Sum')
    change()
    res.write('a')
    res.addTrailers({ 'X-Sum': '42' })
    res.end()
  },
  'awaited drains': async (res, change) => {
    change()
    for (let i = 0; i < 50; i++) if (!res.write(Buffer.alloc(10_000, i))) await once(res, 'drain')
    res.end()
  },
}

function said({ status, headers, body, trailers }: Reply) {
  return { status, length: headers['content-length'], encoding: headers['transfer-encoding'], body, trailers }
}

for (const version of versions) {
  describe(`the body of a response on ${version.name}`, () => {
    for (const [what, respond] of Object.entries(bodies)) {
      for (const method of ['GET', 'HEAD']) {
        it(`is what Node makes of ${what} (${method})`, async (t) => {
          const plain = await serve(t, (_req, res) => void respond(res, () => undefined))
          const expected = said(await new Visitor(t, plain).send('/', { method }))
          const { visitor } = await openExpress(t, bench, version, {
            after(app, sessions) {
              app.all('/untouched', (_req, res) => void respond(res, () => undefined))
              app.all('/changed', (req, res) => {
                void respond(res, () => {
                  sessions.of(req).data.note = what
                })
              })
            },
          })
          const ada = visitor()
          await ada.post('/begin')
          assert.deepEqual(said(await ada.send('/untouched', { method })), expected)
          assert.deepEqual(said(await ada.send('/changed', { method })), expected)
          assert.equal((await ada.get('/seen')).json.data.note, what)
        })
      }
    }

    it('waits while the commit is on its way: write returns false, and drain comes when it has left', async (t) => {
      const held = heldStore(bench)
      const events: string[] = []
      const { visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            held.hold()
            res.on('drain', () => events.push('drain'))
            events.push(`${res.write('a', () => events.push('written'))}`)
            events.push('waiting')
            setImmediate(() => {
              events.push('commit')
              held.release()
            })
            res.once('drain', () => {
              events.push(`${res.write('b')}`)
              res.end(() => events.push('ended'))
            })
          })
        },
      })
      assert.equal((await visitor().get('/')).text, 'ab')
      assert.deepEqual(events.slice(0, 3), ['false', 'waiting', 'commit'])
      assert.deepEqual([...events.slice(3)].sort(), ['drain', 'ended', 'true', 'written'])
    })

    it('ends with its changes stored, in whichever instant around the commit they are made', async (t) => {
      let sent = deferred<Promise<unknown>[]>()
      const store = bench.store(({ commit }) => ({
        commit: (...args: Parameters<SessionStore['commit']>) => {
          const reply = commit(...args)
          sent.resolve([reply])
          return reply
        },
      }))
      const { visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store }),
        after(app, sessions) {
          app.get('/:turns', async (req, res) => {
            const { data } = sessions.of(req)
            sent = deferred()
            data.note = req.params.turns
            res.write('first ')
            const [reply] = await sent.promise
            await reply
            for (let i = 0; i < Number(req.params.turns); i++) await null
            data.step = Number(req.params.turns)
            res.end('last')
          })
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      for (let turns = 0; turns < 40; turns++) {
        assert.equal((await ada.get(`/${turns}`)).text, 'first last')
        assert.equal((await ada.get('/seen')).json.data.step, turns)
      }
    })

    it('that is dropped tells its callbacks, so that nobody waits for it', async (t) => {
      const held = heldStore(bench)
      const told: unknown[] = []
      const { visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            sessions.of(req).data.step = 1
            held.hold()
            res.write('dropped', (error) => told.push(error))
            res.once('drain', () => {
              // Nor does a head that comes now go anywhere; Node has sent one, and would throw.
              assert.equal(res.writeHead(201, { 'X-Late': '1' }), res)
              res.flushHeaders()
              assert.equal(
                res.write('also dropped', () => told.push('late write')),
                true,
              )
              res.end(() => told.push('late end'))
            })
            held.fail(unavailable())
          })
        },
      })
      const reply = await visitor().get('/')
      assert.deepEqual([reply.status, reply.json], [503, { error: 'Session store unavailable' }])
      assert.equal(reply.headers['x-late'], undefined)
      assert.ok(told[0] instanceof StoreError)
      assert.deepEqual(told.slice(1), ['late write', 'late end'])
    })

    it('keeps the order of pipelined requests, held or not', async (t) => {
      const { server, visitor, sessions } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/held/:n', (req, res) => {
            sessions.of(req).data[`field${Number(req.params.n)}`] = 1
            res.send(`held ${req.params.n};`)
          })
          app.get('/plain/:n', (req, res) => res.send(`plain ${req.params.n};`))
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const wire = await openWire(t, server)
      const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\nCookie: ${ada.cookieHeader}\r\n\r\n`
      wire.socket.write(['/held/1', '/plain/2', '/held/3', '/held/4', '/plain/5'].map(request).join(''))
      const received = await wire.until((text) => text.includes('plain 5;'))
      assert.deepEqual(received.match(/(?:held|plain) \d;/g), ['held 1;', 'plain 2;', 'held 3;', 'held 4;', 'plain 5;'])
      const { data } = (await ada.get('/seen')).json
      assert.deepEqual(Object.keys(data).sort(), ['field1', 'field3', 'field4', 'name'])
      assert.equal(await sessions.count(), 1)
    })

    it('of known length does not show its end before the changes are stored', async (t) => {
      const held = heldStore(bench)
      const { server, visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            res.setHeader('Content-Length', 5)
            res.write('whole')
            setImmediate(() => {
              sessions.of(req).data.step = 1
              held.hold()
              res.end()
            })
          })
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const wire = await openWire(t, server)
      wire.socket.write(`GET / HTTP/1.1\r\nHost: x\r\nCookie: ${ada.cookieHeader}\r\n\r\n`)
      await wire.until((text) => text.endsWith('whol'))
      held.release()
      await wire.until((text) => text.endsWith('whole'))
      assert.equal((await ada.get('/seen')).json.data.step, 1)
    })

    it('that Node refuses when its turn comes is broken off and reported, and the changes stay', async (t) => {
      const { visitor, errors } = await openExpress(t, bench, version, {
        after(app, sessions) {
          app.get('/short', (req, res) => {
            sessions.of(req).data.step = 1
            res.strictContentLength = true
            res.setHeader('Content-Length', 10)
            res.end('too short', () => undefined)
          })
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      await assert.rejects(ada.get('/short'), { code: 'ECONNRESET' })
      assert.deepEqual(
        errors.map((error) => (error as NodeJS.ErrnoException).code),
        ['ERR_HTTP_CONTENT_LENGTH_MISMATCH'],
      )
      assert.equal((await ada.get('/seen')).json.data.step, 1)
    })

    it('that ends with its connection is broken off audibly when the commit fails (HTTP/1.0)', async (t) => {
      const held = heldStore(bench)
      const { server, visitor } = await openExpress(t, bench, version, {
        sessions: bench.sessions({ store: held.store }),
        after(app, sessions) {
          app.get('/', (req, res) => {
            res.write('first')
            sessions.of(req).data.step = 1
            held.hold()
            res.end()
          })
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const wire = await openWire(t, server)
      wire.socket.write(`GET / HTTP/1.0\r\nCookie: ${ada.cookieHeader}\r\n\r\n`)
      await wire.until((text) => text.endsWith('first'))
      held.fail(unavailable())
      const error = await wire.closed
      assert.equal((error as NodeJS.ErrnoException | undefined)?.code, 'ECONNRESET')
    })
  })
}
