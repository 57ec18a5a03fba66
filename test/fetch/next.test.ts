import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fetchSessions, requireUser } from '../../src/fetch.ts'
import {
  type CoatcheckError,
  HeadersSentError,
  SessionEndedError,
  type SessionStore,
  StoreError,
} from '../../src/index.ts'
import { useBench } from '../adapter-contract.ts'
import { eventually } from '../support/http.ts'
import { Browser } from './browser.ts'

// Route handlers as Next.js calls them: with the request, and with the parameters of the route in a promise.

const bench = useBench()
const away = () => Promise.reject(new StoreError('ERR_STORE_UNAVAILABLE', 'There is no connection to Redis.', 'none'))

/** What the functions of Next.js throw, by which it knows them again. */
const nextError = (digest: string) => Object.assign(new Error(digest.split(';')[0]), { digest })

function setUp(changes: (store: SessionStore) => Partial<SessionStore> = () => ({}), options = {}) {
  const sessions = bench.sessions({ store: bench.store(changes), ...options })
  const errors: unknown[] = []
  const withSession = fetchSessions(sessions, { onError: (error) => errors.push(bench.note(error)) })
  const begin = withSession(async (request) => {
    sessions.of(request).data.name = 'Ada'
    return Response.json({ ok: true })
  })
  /** Somebody who has a session. */
  async function visitor(): Promise<Browser> {
    const browser = new Browser()
    await browser.keep(begin(browser.post()))
    return browser
  }
  const stored = async (browser: Browser) => (await sessions.load(browser.cookies.get('sid') as never))?.data
  return { sessions, withSession, errors, visitor, stored }
}

describe('a route handler', () => {
  it('keeps a session, and gets the parameters of its route', async () => {
    const { sessions, withSession } = setUp()
    const GET = withSession(async (request, { params }: { params: Promise<{ item: string }> }) =>
      Response.json({ item: (await params).item, step: sessions.of(request).data.step ?? null }),
    )
    const POST = withSession(async (request) => {
      sessions.of(request).data.step = ((await request.json()) as { step: number }).step
      return Response.json({ ok: true }, { status: 201 })
    })
    const ada = new Browser()
    const params = { params: Promise.resolve({ item: 'hat' }) }
    assert.deepEqual(await (await GET(ada.request(), params)).json(), { item: 'hat', step: null })
    const posted = await ada.keep(POST(ada.post('/', { body: '{"step":7}' })))
    assert.deepEqual([posted.status, await posted.json()], [201, { ok: true }])
    assert.match(posted.headers.getSetCookie().join('\n'), /^sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
    assert.deepEqual(await (await GET(ada.request(), params)).json(), { item: 'hat', step: 7 })
  })

  it('that needs no cookie has its response as it is', async () => {
    const { withSession, visitor } = setUp()
    const bare = new Response(null, { status: 204, headers: { 'x-answer': 'yes' } })
    assert.equal(await withSession(() => bare)((await visitor()).request()), bare)
    const headers = [
      ['set-cookie', 'theme=dark'],
      ['set-cookie', 'lang=en'],
      ['etag', '"1"'],
    ] as [string, string][]
    const made = new Response('one', { status: 418, statusText: 'Teapot', headers })
    const before = [...made.headers]
    const answered = await withSession(() => made)(new Browser().request())
    assert.deepEqual([answered.status, answered.statusText, [...answered.headers]], [418, 'Teapot', before])
    assert.equal(await answered.text(), 'one')
  })

  it('may answer with a response whose headers cannot be changed', async () => {
    const { sessions, withSession } = setUp()
    const POST = withSession(async (request) => {
      await sessions.of(request).login('u42')
      return Response.redirect('http://app.example/profile', 303)
    })
    const ada = new Browser()
    const redirect = await ada.keep(POST(ada.post()))
    assert.deepEqual([redirect.status, redirect.headers.get('location')], [303, 'http://app.example/profile'])
    assert.equal((await sessions.load(ada.cookies.get('sid') as never))?.userId, 'u42')
  })

  for (const [what, digest, status] of [
    ['redirect()', 'NEXT_REDIRECT;replace;/profile?of=a;b;307;', 307],
    ['redirect() of a server action', 'NEXT_REDIRECT;push;/profile?of=a;b;303;', 303],
    ['permanentRedirect()', 'NEXT_REDIRECT;replace;/profile?of=a;b;308;', 308],
    ['redirect() of Next.js 14.0', 'NEXT_REDIRECT;replace;/profile?of=a;b;false', 307],
    ['permanentRedirect() of Next.js 14.0', 'NEXT_REDIRECT;replace;/profile?of=a;b;true', 308],
  ] as const) {
    it(`carries the cookie of a login with ${what}`, async () => {
      const { sessions, withSession, errors } = setUp()
      const POST = withSession(async (request) => {
        const session = sessions.of(request)
        await session.login('u42')
        session.data.name = 'Ada'
        throw nextError(digest)
      })
      const ada = new Browser()
      const answered = await ada.keep(POST(ada.post()))
      assert.deepEqual([answered.status, answered.headers.get('location')], [status, '/profile?of=a;b'])
      const found = await sessions.load(ada.cookies.get('sid') as never)
      assert.deepEqual([found?.userId, found?.data], ['u42', { name: 'Ada' }])
      assert.deepEqual(errors, [])
    })
  }

  it('that throws has its changes discarded, and its error goes on to the framework', async () => {
    const { sessions, withSession, errors, visitor, stored } = setUp()
    const thrown = [
      new Error('broken'),
      nextError('NEXT_HTTP_ERROR_FALLBACK;404'),
      nextError('NEXT_REDIRECT;nonsense'),
      'no error',
      undefined,
    ]
    const ada = await visitor()
    for (const error of thrown) {
      const fails = withSession((request) => {
        sessions.of(request).data.name = 'Eve'
        throw error
      })
      const told = await fails(ada.request()).then(
        () => assert.fail('answered'),
        (reason: unknown) => reason,
      )
      assert.equal(told, error)
    }
    assert.deepEqual([await stored(ada), errors], [{ name: 'Ada' }, []])
  })

  it('that throws has its session closed: what comes later would have no cookie', async () => {
    const { sessions, withSession } = setUp()
    const request = new Browser().request()
    const fails = withSession(() => {
      throw new Error('broken')
    })
    await assert.rejects(fails(request), /broken/)
    await assert.rejects(sessions.of(request).login('u42'), HeadersSentError)
  })

  it('that throws after a login is answered here, for the browser must get the cookie', async () => {
    const { sessions, withSession, errors, visitor, stored } = setUp()
    const error = Object.assign(new Error('secret 42'), { status: 418 })
    const fails = withSession(async (request) => {
      const session = sessions.of(request)
      await session.login('u42')
      session.data.name = 'Eve'
      throw error
    })
    const ada = await visitor()
    const answered = await ada.keep(fails(ada.post()))
    assert.deepEqual([answered.status, await answered.json()], [418, { error: "I'm a Teapot" }])
    assert.equal(answered.headers.get('cache-control'), 'no-store')
    assert.deepEqual([await stored(ada), errors], [{ name: 'Ada' }, [error]])
  })

  it('whose session has ended, or whose store is away, is answered with the status that this has', async () => {
    let failing = false
    const { sessions, withSession, errors, visitor } = setUp(({ load }) => ({
      load: (...args) => (failing ? away() : load(...args)),
    }))
    const ada = await visitor()
    let handled = 0
    const count = withSession(async (request) => {
      handled++
      const session = sessions.of(request)
      await sessions.revoke(String(session.id))
      return Response.json(await session.increment('views'))
    })
    failing = true
    const unavailable = await count(ada.post())
    assert.deepEqual([unavailable.status, handled], [503, 0])
    assert.deepEqual(await unavailable.json(), { error: 'Session store unavailable' })
    failing = false
    const ended = await ada.keep(count(ada.post()))
    assert.deepEqual([ended.status, await ended.json()], [401, { error: 'Session expired' }])
    assert.ok(ada.cookies.has('sid'), 'only a logout takes the cookie')
    assert.deepEqual(
      errors.map((error) => (error as CoatcheckError).code),
      ['ERR_STORE_UNAVAILABLE', 'ERR_SESSION_ENDED'],
    )
  })

  it('whose commit fails is not heard: 503 without its headers, or 401 for a session that has ended meanwhile', async () => {
    let failing = true
    const { sessions, withSession, errors, visitor, stored } = setUp(({ commit }) => ({
      commit: (...args) => (failing ? away() : commit(...args)),
    }))
    const change = withSession(async (request) => {
      const session = sessions.of(request)
      session.data.name = 'Eve'
      if (!failing) await sessions.revoke(String(session.id))
      return Response.json({ ok: true }, { headers: { 'set-cookie': 'theme=dark', 'x-answer': 'yes' } })
    })
    const ada = await visitor()
    const unavailable = await change(ada.post())
    assert.equal(unavailable.status, 503)
    assert.deepEqual([...unavailable.headers.keys()], ['cache-control', 'content-type', 'retry-after'])
    assert.deepEqual(await stored(ada), { name: 'Ada' })
    failing = false
    assert.equal((await change(ada.post())).status, 401)
    assert.ok(errors[0] instanceof StoreError && errors[1] instanceof SessionEndedError)
  })

  it('that returns no response, or one that cannot be sent, has nothing committed', async () => {
    const { sessions, withSession, visitor, stored } = setUp()
    const ada = await visitor()
    for (const [answer, message] of [
      [undefined, /has to return a Response/],
      [{ status: 200 }, /has to return a Response/],
      [Response.error(), /status/],
    ] as const) {
      const handler = withSession(async (request) => {
        sessions.of(request).data.name = 'Eve'
        return answer as Response
      })
      await assert.rejects(handler(ada.post()), message)
    }
    assert.deepEqual(await stored(ada), { name: 'Ada' })
  })

  it('may be guarded', async () => {
    const { sessions, withSession, visitor } = setUp()
    const GET = withSession(requireUser()(async (request) => Response.json(sessions.of(request).userId)))
    const ada = await visitor()
    assert.equal((await GET(ada.request())).status, 401)
    const login = withSession(async (request) => {
      await sessions.of(request).login('u42')
      return new Response(null, { status: 204 })
    })
    await ada.keep(login(ada.post()))
    assert.equal(await (await GET(ada.request())).json(), 'u42')
  })

  it('tells of a due rotation also when it fails, and of none for a request that is no activity', async () => {
    const store = bench.store()
    const sessions = bench.sessions({ store, rotateEvery: 1, rotationGrace: 0 })
    const withSession = fetchSessions(sessions, { onError: () => undefined, touch: (req) => req.method !== 'HEAD' })
    const { token } = await sessions.create({ name: 'Ada' })
    const { createdAt } = (await sessions.peek(token)) ?? assert.fail('no session')
    await eventually(() => Number(store.now()) - createdAt >= 1)
    const ada = new Browser()
    ada.cookies.set('sid', token)
    const poll = await withSession(() => new Response(null))(ada.request('/', { method: 'HEAD' }))
    assert.deepEqual(poll.headers.getSetCookie(), [])
    const fails = withSession(() => {
      throw new Error('broken')
    })
    assert.equal((await ada.keep(fails(ada.request()))).status, 500)
    assert.notEqual(ada.cookies.get('sid'), token)
    assert.deepEqual((await sessions.load(ada.cookies.get('sid') as never))?.data, { name: 'Ada' })
  })

  it('keeps no address but the one that the application knows', async () => {
    const sessions = bench.sessions()
    const login = async (request: Request) => {
      const session = sessions.of(request)
      await session.login('u42')
      return Response.json(await session.devices())
    }
    const headers = { 'x-forwarded-for': '10.0.0.1, 203.0.113.9' }
    const address = (request: Request) => request.headers.get('x-forwarded-for')?.split(',').at(-1)?.trim()
    for (const [options, expected] of [
      [{}, null],
      [{ address }, '203.0.113.0'],
    ] as const) {
      const ada = new Browser()
      const answered = await ada.keep(fetchSessions(sessions, options)(login)(ada.post('/', { headers })))
      const devices = (await answered.json()) as { ip: string | null; current: boolean }[]
      assert.equal(devices.find(({ current }) => current)?.ip, expected)
    }
  })
})
