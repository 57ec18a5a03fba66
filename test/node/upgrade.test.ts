import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import {
  createSessions,
  HeadersSentError,
  type SessionStore,
  type SessionsOptions,
  StoreError,
} from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import {
  requireThat,
  requireUser,
  type UpgradeSessionsOptions,
  upgradeSessions,
  type WithUpgrade,
} from '../../src/node.ts'
import { altered } from '../adapter-contract/bench.ts'
import { deferred, eventually, type Scope } from '../support/http.ts'

interface Data {
  views: number
}

interface SetUp {
  readonly sessions?: Partial<SessionsOptions>
  readonly options?: UpgradeSessionsOptions
  /** Stands before the WebSocket. */
  readonly guard?: (listener: Parameters<WithUpgrade>[0]) => Parameters<WithUpgrade>[0]
}

type Request = Parameters<Parameters<WithUpgrade>[0]>[0]

/** A WebSocket server that answers each message with what `reply` makes of it. */
async function open(scope: Scope, reply: (req: Request, said: string) => unknown, setUp: SetUp = {}) {
  const { guard = (listener) => listener, options } = setUp
  const sessions = createSessions<Data>({ store: memoryStore(), cookie: { secure: false }, ...setUp.sessions })
  const failures: unknown[] = []
  const sockets = new WebSocketServer({ noServer: true })
  const server: Server = createServer()
  const connections: Socket[] = []
  server.on('connection', (socket) => connections.push(socket))
  server.on(
    'upgrade',
    upgradeSessions(sessions, { onFailure: (error) => failures.push(error), ...options })(
      guard((req, socket, head) => {
        sockets.handleUpgrade(req, socket, head, (ws) => {
          ws.on('message', async (data) => ws.send(JSON.stringify(await reply(req, String(data)))))
        })
      }),
    ),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  scope.after(async () => {
    for (const ws of sockets.clients) ws.terminate()
    await sessions.close()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { sessions, failures, connections, port, url: `ws://127.0.0.1:${port}` }
}

async function ask(url: string, said: string, headers: Record<string, string>) {
  const ws = new WebSocket(url, { headers })
  try {
    await once(ws, 'open')
    ws.send(said)
    return JSON.parse(String((await once(ws, 'message'))[0]))
  } finally {
    ws.terminate()
  }
}

/** The answer to an upgrade that is refused. */
async function refusal(url: string, headers: Record<string, string> = {}) {
  const ws = new WebSocket(url, { headers })
  ws.on('error', () => undefined)
  const [, res] = await once(ws, 'unexpected-response')
  const body = (await res.toArray()).join('')
  return { status: res.statusCode, headers: res.headers, body: JSON.parse(body) }
}

describe('the upgrade to a WebSocket', () => {
  it('knows the session, whose writes at once are stored', async (t) => {
    const { sessions, url } = await open(t, async (req) => {
      const session = sessions.of(req)
      return { user: session.userId, views: await session.increment('views') }
    })
    const { token } = await sessions.create({ views: 41 }, { userId: 'u42' })
    assert.deepEqual(await ask(url, 'hello', { cookie: `sid=${token}` }), { user: 'u42', views: 42 })
    assert.equal((await sessions.load(token))?.data.views, 42)
  })

  it('serves visitors, for whom nothing can begin', async (t) => {
    const refused: unknown[] = []
    const { sessions, url } = await open(t, async (req) => {
      const session = sessions.of(req)
      for (const act of [
        () => session.increment('views'),
        () => session.login('u42'),
        () => session.rotate(),
        () => session.logout(),
      ]) {
        await act().catch((error) => refused.push(error))
      }
      return session.id
    })
    assert.equal(await ask(url, 'hello', {}), null)
    assert.equal(refused.length, 4)
    assert.ok(refused.every((error) => error instanceof HeadersSentError))
    assert.equal(await sessions.count(), 0)
  })

  it('is activity, unless `touch` says otherwise', async (t) => {
    for (const [touch, expected] of [
      [() => true, 1],
      [() => false, 0],
    ] as const) {
      let touches = 0
      const store = memoryStore()
      const counting: SessionStore['touch'] = (...args) => {
        touches++
        return store.touch(...args)
      }
      const { sessions, url } = await open(t, (req) => sessions.of(req).userId, {
        sessions: { store: altered(store, { touch: counting }), touchInterval: 0 },
        options: { touch },
      })
      const { token } = await sessions.create({}, { userId: 'u42' })
      assert.equal(await ask(url, 'hello', { cookie: `sid=${token}` }), 'u42')
      assert.equal(touches, expected)
    }
  })

  it('leaves a rotation that is due to the next request', async (t) => {
    const { sessions, url } = await open(t, (req) => sessions.of(req).id, { sessions: { rotateEvery: 1 } })
    const { token, id } = await sessions.create({ views: 1 })
    await eventually(async () => Number((await sessions.find(id))?.createdAt) < Date.now() - 10)
    assert.equal(await ask(url, 'hello', { cookie: `sid=${token}` }), id)
    assert.equal((await sessions.load(token))?.id, id)
  })

  it('is not followed over rotations: its writes reach the session within the grace, and no longer', async (t) => {
    for (const [rotationGrace, expected] of [
      ['1h', [42, 43]],
      [0, [42, 'ERR_SESSION_ENDED']],
    ] as const) {
      const { sessions, url } = await open(
        t,
        (req) =>
          sessions
            .of(req)
            .increment('views')
            .catch(({ code }) => code),
        { sessions: { rotationGrace } },
      )
      const { token } = await sessions.create({ views: 41 }, { userId: 'u42' })
      const ws = new WebSocket(url, { headers: { cookie: `sid=${token}` } })
      t.after(() => ws.terminate())
      await once(ws, 'open')
      const say = async () => {
        ws.send('hello')
        return JSON.parse(String((await once(ws, 'message'))[0]))
      }
      const first = await say()
      const { token: next } = await sessions.rotate(token)
      assert.deepEqual([first, await say()], expected)
      assert.equal((await sessions.load(next!))?.userId, 'u42')
    }
  })

  it('is refused by a guard, with an answer that ends the connection', async (t) => {
    const { sessions, url } = await open(t, (req) => sessions.of(req).userId, { guard: requireUser() })
    const { status, headers, body } = await refusal(url)
    assert.deepEqual([status, body], [401, { error: 'Authentication required' }])
    assert.deepEqual([headers.connection, headers['cache-control']], ['close', 'no-store'])
    const { token } = await sessions.create({}, { userId: 'u42' })
    assert.equal(await ask(url, 'hello', { cookie: `sid=${token}` }), 'u42')
  })

  it('is refused to pages of other sites, before their session is read', async (t) => {
    let loads = 0
    const store = memoryStore()
    const load: SessionStore['load'] = (...args) => {
      loads++
      return store.load(...args)
    }
    const { sessions, url, port } = await open(t, () => 'let through', {
      sessions: { store: altered(store, { load }) },
      options: { origins: ['https://app.example'] },
    })
    const { token } = await sessions.create({}, { userId: 'u42' })
    const cookie = `sid=${token}`
    for (const from of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-site', origin: 'https://blog.app.example' },
    ]) {
      const { status, body } = await refusal(url, { cookie, ...(from as Record<string, string>) })
      assert.deepEqual([status, body], [403, { error: 'Cross-site request refused' }])
    }
    assert.equal(loads, 0)
    for (const from of [{ origin: `http://127.0.0.1:${port}` }, { origin: 'https://app.example' }, {}]) {
      assert.equal(await ask(url, 'hello', { cookie, ...(from as Record<string, string>) }), 'let through')
    }
  })

  it('is answered 503 when the store is away', async (t) => {
    const away = () =>
      Promise.reject(new StoreError('ERR_STORE_UNAVAILABLE', 'There is no connection to Redis.', 'none'))
    const { sessions, url, failures } = await open(t, () => 'let through', {
      sessions: { store: altered(memoryStore(), { load: away }) },
    })
    const { token } = await sessions.create({})
    const { status, body } = await refusal(url, { cookie: `sid=${token}` })
    assert.deepEqual([status, body], [503, { error: 'Session store unavailable' }])
    assert.equal((failures[0] as StoreError).code, 'ERR_STORE_UNAVAILABLE')
  })

  it('is answered 500 when the listener fails, and broken off when it has gone through by then', async (t) => {
    const early = await open(t, () => 'let through', {
      guard: requireThat(() => {
        throw new Error('no')
      }),
    })
    assert.equal((await refusal(early.url)).status, 500)

    const late = await open(t, () => 'let through', {
      guard: (listener) => (req, socket, head) => {
        listener(req, socket, head)
        throw new Error('no')
      },
    })
    const ws = new WebSocket(late.url)
    const [code] = await once(ws, 'close')
    assert.equal(code, 1006)
    assert.equal(late.failures.length, 1)
  })

  it('survives a client that hangs up while its session is read', async (t) => {
    const [loading, go] = [deferred(), deferred()]
    const store = memoryStore()
    const load: SessionStore['load'] = async (...args) => {
      loading.resolve()
      await go.promise
      return store.load(...args)
    }
    let opened = 0
    const { sessions, connections, port } = await open(t, () => 'let through', {
      sessions: { store: altered(store, { load }) },
      guard: () => () => opened++,
    })
    const { token } = await sessions.create({})
    const client = connect(port, '127.0.0.1')
    client.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: sid=${token}\r\n\r\n`,
    )
    await loading.promise
    client.resetAndDestroy()
    await eventually(() => connections.every(({ closed }) => closed))
    go.resolve()
    // What is read later is read behind it.
    assert.notEqual(await sessions.load(token), null)
    assert.equal(opened, 0)
  })
})
