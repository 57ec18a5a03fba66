import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, type Server } from 'node:http'
import { describe, type TestContext, test } from 'node:test'
import express, { type Express } from 'express'
import { type ExpressSessionsOptions, expressSessions } from '../../src/express.ts'
import { createSessions, MountError, type SessionStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { eventually } from '../support/http.ts'

// What docs/express.md says, and test/adapter-contract/ and test/express/ do not show.

interface Data {
  name: string
}

/** A store whose commits wait until they are let go. */
function heldStore(): { store: SessionStore; go: () => void } {
  const store = memoryStore()
  let go = () => {}
  const gone = new Promise<void>((resolve) => {
    go = resolve
  })
  const create = store.create.bind(store)
  store.create = async (...args) => {
    await gone
    return create(...args)
  }
  return { store, go: () => go() }
}

async function listen(t: TestContext, app: Express): Promise<string> {
  const server: Server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

function newApp(store = memoryStore(), options: ExpressSessionsOptions = {}, secure = false) {
  const sessions = createSessions<Data>({ store, cookie: { secure } })
  const app = express()
  app.use(expressSessions(sessions, options))
  return { app, sessions }
}

describe('docs/express.md on a response that is held', () => {
  test('status and headers are frozen, and the body waits', async (t) => {
    const { store, go } = heldStore()
    const { app, sessions } = newApp(store)
    const seen: unknown[] = []
    app.get('/', (req, res) => {
      sessions.of(req).data.name = 'Ada'
      seen.push(res.write('one '))
      seen.push(res.headersSent)
      assert.throws(() => res.setHeader('x-late', '1'), { code: 'ERR_HTTP_HEADERS_SENT' })
      res.once('drain', () => res.end('two'))
      go()
    })
    const response = await fetch(await listen(t, app))
    assert.equal(await response.text(), 'one two')
    assert.deepEqual(seen, [false, true])
    assert.equal(response.headers.has('x-late'), false)
  })

  test('1xx responses are not', async (t) => {
    const { store, go } = heldStore()
    const { app, sessions } = newApp(store)
    app.get('/', (req, res) => {
      sessions.of(req).data.name = 'Ada'
      res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
      res.end('held')
    })
    const asked = request(await listen(t, app)).end()
    const [information] = await once(asked, 'information')
    assert.equal(information.statusCode, 103)
    go()
    const [response] = await once(asked, 'response')
    assert.equal(response.statusCode, 200)
    response.resume()
  })

  test('an error after the answer does not change it', async (t) => {
    const { app, sessions } = newApp()
    app.use((req, res) => {
      sessions.of(req).data.name = 'Ada'
      res.json({ ok: true })
      throw new Error('too late')
    })
    app.use(((_error, _req, _res, _next) => undefined) as express.ErrorRequestHandler)
    const response = await fetch(await listen(t, app))
    assert.deepEqual([response.status, await response.json()], [200, { ok: true }])
    assert.equal(await sessions.count(), 1)
  })
})

test('docs/express.md on a client that hangs up: what the handler has changed is committed when it ends the response', async (t) => {
  const { app, sessions } = newApp()
  let ended = () => {}
  const handled = new Promise<void>((resolve) => {
    ended = resolve
  })
  app.get('/', (req, res) => {
    res.once('close', () => {
      sessions.of(req).data.name = 'Ada'
      res.json({ ok: true })
      ended()
    })
    asked.destroy()
  })
  const asked = request(await listen(t, app))
  asked.on('error', () => undefined).end()
  await handled
  assert.equal(await sessions.count(), 1)
})

describe('docs/express.md on req.session', () => {
  test('it is the same object as sessions.of(req), and its own properties are no session data', async (t) => {
    const { app, sessions } = newApp()
    app.use((req, res) => {
      const { session } = req as unknown as { session: Record<string, unknown> }
      assert.equal(session, sessions.of(req))
      try {
        session.name = 'Ada'
      } catch (error) {
        assert.ok(error instanceof TypeError)
      }
      res.send('ok')
    })
    const response = await fetch(await listen(t, app))
    assert.equal(await response.text(), 'ok')
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(await sessions.count(), 0)
  })

  for (const [reqSession, expected] of [
    [true, 500],
    [false, 200],
  ] as const) {
    test(`one that is taken is ${reqSession ? 'a MountError' : 'left alone by { reqSession: false }'}`, async (t) => {
      const theirs = { theirs: true }
      const errors: unknown[] = []
      const sessions = createSessions<Data>({ store: memoryStore(), cookie: { secure: false } })
      const app = express()
      app.use((req, _res, next) => {
        Object.assign(req, { session: theirs })
        next()
      })
      app.use(expressSessions(sessions, { reqSession }))
      app.use((req, res) => {
        assert.equal((req as unknown as { session: unknown }).session, theirs)
        sessions.of(req).data.name = 'Ada'
        res.send('ok')
      })
      app.use(((error, _req, res, _next) => {
        errors.push(error)
        res.sendStatus(error.status)
      }) as express.ErrorRequestHandler)
      assert.equal((await fetch(await listen(t, app))).status, expected)
      assert.equal(errors.length === 1 && errors[0] instanceof MountError, reqSession)
    })
  }
})

test('docs/express.md on proxies: the cookie is set either way, and warned of unless the proxy is trusted', async (t) => {
  const warnings: string[] = []
  const listener = (warning: Error & { code?: string }) => warnings.push(warning.code ?? '')
  process.on('warning', listener)
  t.after(() => process.off('warning', listener))
  for (const trust of [true, false]) {
    const { app, sessions } = newApp(memoryStore(), {}, true)
    app.set('trust proxy', trust)
    app.use((req, res) => {
      sessions.of(req).data.name = 'Ada'
      res.send('ok')
    })
    const response = await fetch(await listen(t, app), { headers: { 'x-forwarded-proto': 'https' } })
    assert.match(response.headers.getSetCookie().join(), /^__Host-sid=[\w-]{43}; Path=\/; HttpOnly; Secure/)
    if (!trust) await eventually(() => warnings.length > 0)
    assert.deepEqual(warnings, trust ? [] : ['COATCHECK_SECURE_COOKIE'])
  }
})
