import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { describe, it } from 'node:test'
import { createSessions, StoreError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type NodeSessionsOptions, nodeSessions } from '../../src/node.ts'
import { headOf, type Scope, serve, Visitor } from '../support/http.ts'

type Listener = (req: IncomingMessage, res: ServerResponse) => unknown

/** A server whose sessions are in this process, and what it was told of failures. */
async function open(scope: Scope, listener: Listener, options: NodeSessionsOptions = {}) {
  const sessions = createSessions<{ name: string }>({ store: memoryStore(), cookie: { secure: false } })
  const failures: unknown[] = []
  const onFailure = (error: unknown) => failures.push(error)
  const server = await serve(scope, nodeSessions(sessions, { onFailure, ...options })(listener))
  scope.after(() => sessions.close())
  return { server, sessions, failures, visitor: new Visitor(scope, server) }
}

describe('a listener that fails', () => {
  for (const [error, status, words] of [
    [Object.assign(new Error('secret'), { status: 404 }), 404, 'Not Found'],
    [Object.assign(new Error('secret'), { statusCode: 413 }), 413, 'Payload Too Large'],
    [Object.assign(new Error('secret'), { status: 200 }), 500, 'Internal Server Error'],
    [new StoreError('ERR_STORE_TIMEOUT', 'secret', 'unknown'), 503, 'Session store unavailable'],
    [undefined, 500, 'Internal Server Error'],
  ] as const) {
    it(`with ${error?.constructor.name} is answered ${status}, and nothing that it has set`, async (t) => {
      const { visitor, failures } = await open(t, (_req, res) => {
        res.setHeader('x-answer', 'yes')
        res.statusCode = 201
        throw error
      })
      const reply = await visitor.get('/')
      assert.deepEqual([reply.status, reply.json, reply.headers['x-answer']], [status, { error: words }, undefined])
      assert.equal(reply.headers['cache-control'], 'no-store')
      assert.deepEqual(failures, [error])
    })
  }

  it('can be answered by onFailure, and is answered when that fails too', async (t) => {
    const listener: Listener = () => {
      throw new Error('no')
    }
    const answering = await open(t, listener, {
      async onFailure(error, req, res) {
        await new Promise(setImmediate)
        res.writeHead(418).end(`${req.url}: ${(error as Error).message}`)
      },
    })
    const reply = await answering.visitor.get('/tea')
    assert.deepEqual([reply.status, reply.text], [418, '/tea: no'])

    const logged = t.mock.method(console, 'error', () => undefined)
    const onFailure = () => {
      throw new Error('no')
    }
    const failing = await open(t, listener, { onFailure })
    assert.equal((await failing.visitor.get('/')).status, 500)
    assert.equal(logged.mock.callCount(), 1)
  })

  it('says so on the console if nobody else is told', async (t) => {
    const logged = t.mock.method(console, 'error', () => undefined)
    const sessions = createSessions({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const error = new Error('no')
    const listener = nodeSessions(sessions)(() => Promise.reject(error))
    assert.equal((await new Visitor(t, await serve(t, listener)).get('/')).status, 500)
    assert.deepEqual(logged.mock.calls[0]?.arguments, [error])
  })

  it('after its answer leaves that as it is, with its changes', async (t) => {
    const { visitor, sessions, failures } = await open(t, (req, res) => {
      sessions.of(req).data.name = 'Ada'
      res.end('done')
      throw new Error('too late')
    })
    assert.equal((await visitor.get('/')).text, 'done')
    assert.equal(failures.length, 1)
    assert.equal((await sessions.load(visitor.token as never))?.data.name, 'Ada')
  })

  it('within its answer breaks that off', async (t) => {
    const { visitor } = await open(t, async (_req, res) => {
      res.write('half')
      await new Promise(setImmediate)
      throw new Error('no')
    })
    const res = await headOf(visitor.begin('/'))
    await assert.rejects(res.toArray(), { code: 'ECONNRESET' })
  })

  it('does not answer a client that has gone', async (t) => {
    let gone = () => undefined as unknown
    const sessions = createSessions({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const failed = new Promise<void>((resolve) => {
      const listener = nodeSessions(sessions, { onFailure: () => resolve() })(async (req) => {
        gone()
        await once(req.socket, 'close')
        throw new Error('no')
      })
      const server: Server = createServer(listener).listen(0, '127.0.0.1', () => {
        const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
        client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        gone = () => client.destroy()
      })
      t.after(() => server.close())
    })
    await failed
  })
})
