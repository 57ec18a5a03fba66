import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fetchSessions, openSession } from '../../src/fetch.ts'
import { HeadersSentError, MountError, type Session, type SessionStore, StoreError } from '../../src/index.ts'
import { type Data, useBench } from '../adapter-contract.ts'
import { passes } from '../fire/redis-time.ts'
import { eventually } from '../support/http.ts'
import { Browser } from './browser.ts'

// Loaders, actions and middleware as React Router calls them: with one object that holds the request, and `next` after it.

const bench = useBench()

interface Args {
  readonly request: Request
  readonly params: Record<string, string>
  readonly context: Map<unknown, unknown>
}

const argsOf = (request: Request): Args => ({ request, params: { id: '7' }, context: new Map() })
const redirect = (to: string) => new Response(null, { status: 302, headers: { location: to } })
/** What React Router's `data()` makes: a value, and headers for the response that is composed later. */
const data = <Value>(value: Value, init: { headers: Headers }) => ({ value, init, headers: init.headers })

/** What a call has thrown, which has to be a response. */
async function thrownBy(call: Promise<unknown>): Promise<Response> {
  const thrown = await call.then(
    () => assert.fail('nothing was thrown'),
    (reason: unknown) => reason,
  )
  assert.ok(thrown instanceof Response)
  return thrown
}

describe('an action', () => {
  it('gets its arguments as they are, and has its cookie on what it returns', async () => {
    const sessions = bench.sessions()
    const action = fetchSessions(sessions)(async ({ request, params }: Args) => {
      sessions.of(request).data.note = String(params.id)
      return redirect('/')
    })
    const ada = new Browser()
    const answered = await ada.keep(action(argsOf(ada.post())))
    assert.equal(answered.headers.get('location'), '/')
    assert.deepEqual((await sessions.load(ada.cookies.get('sid') as never))?.data, { note: '7' })
  })

  it('may throw its response: that is committed, gets the cookie, and is thrown on', async () => {
    const sessions = bench.sessions()
    const action = fetchSessions(sessions)(async ({ request }: Args) => {
      const session = sessions.of(request)
      await session.login('u42')
      session.data.name = 'Ada'
      throw redirect('/profile')
    })
    const ada = new Browser()
    const thrown = await ada.keep(thrownBy(action(argsOf(ada.post()))))
    assert.deepEqual([thrown.status, thrown.headers.get('location')], [302, '/profile'])
    const found = await sessions.load(ada.cookies.get('sid') as never)
    assert.deepEqual([found?.userId, found?.data], ['u42', { name: 'Ada' }])
  })

  it('that throws its response has 503 thrown in its place when the commit fails', async () => {
    const create: SessionStore['create'] = () =>
      Promise.reject(new StoreError('ERR_STORE_FULL', 'Redis answered OOM.', 'none'))
    const sessions = bench.sessions({ store: bench.store(() => ({ create })) })
    const action = fetchSessions(sessions, { onError: () => undefined })(({ request }: Args) => {
      sessions.of(request).data.name = 'Ada'
      throw redirect('/profile')
    })
    const thrown = await thrownBy(action(argsOf(new Browser().post())))
    assert.deepEqual([thrown.status, thrown.headers.get('location')], [503, null])
  })
})

describe('a middleware', () => {
  it('opens the session for everything behind it, and commits what the response brings along', async () => {
    const sessions = bench.sessions()
    const key = Symbol('session')
    const middleware = fetchSessions(sessions)(async ({ request, context }: Args, next: () => Promise<Response>) => {
      context.set(key, sessions.of(request))
      return next()
    })
    const serve = (args: Args, loader: (session: Session<Data>) => unknown) =>
      middleware(args, async () => Response.json(await loader(args.context.get(key) as Session<Data>)))
    const ada = new Browser()
    await ada.keep(serve(argsOf(ada.request()), (session) => session.increment('views')))
    const seen = await serve(argsOf(ada.request()), (session) => session.data)
    assert.deepEqual(await seen.json(), { views: 1 })
  })
})

describe('a loader that opens its session itself', () => {
  it('puts the cookie into the headers that it answers with', async () => {
    const sessions = bench.sessions()
    async function loader({ request }: Args) {
      const { session, commit } = await openSession(sessions, request)
      assert.equal(session, sessions.of(request))
      session.data.step = (session.data.step ?? 0) + 1
      const headers = new Headers({ 'set-cookie': 'theme=dark' })
      await commit(headers)
      return data({ step: session.data.step }, { headers })
    }
    const ada = new Browser()
    const first = await ada.keep(loader(argsOf(ada.request())))
    assert.deepEqual(
      first.headers.getSetCookie().map((line) => line.split('=')[0]),
      ['theme', 'sid'],
    )
    assert.deepEqual((await ada.keep(loader(argsOf(ada.request())))).value, { step: 2 })
  })

  it('cannot begin, rotate or log out a session after the commit', async () => {
    const sessions = bench.sessions()
    const { session, commit } = await openSession(sessions, new Browser().request())
    await commit(new Headers())
    await assert.rejects(session.login('u42'), HeadersSentError)
    await assert.rejects(session.increment('views'), HeadersSentError)
    await assert.rejects(session.logout(), HeadersSentError)
    session.data.name = 'Ada'
    await assert.rejects(commit(new Headers()), HeadersSentError)
    assert.equal(await sessions.count(), 0)
  })

  it('has stored nothing without the commit, and brings the cookie of what it keeps of a failure', async () => {
    const sessions = bench.sessions()
    const ada = new Browser()
    const { token } = await sessions.create({ name: 'Ada' })
    ada.cookies.set('sid', token)
    const left = await openSession(sessions, ada.request())
    left.session.data.name = 'Eve'
    const failed = await openSession(sessions, ada.request())
    await failed.session.rotate()
    failed.session.data.name = 'Eve'
    failed.discard()
    const headers = new Headers()
    await failed.commit(headers)
    await ada.keep({ headers })
    assert.notEqual(ada.cookies.get('sid'), token)
    assert.deepEqual((await sessions.load(ada.cookies.get('sid') as never))?.data, { name: 'Ada' })
  })

  it('is told of a commit that fails, with the cookie of what has been stored before', async () => {
    const sessions = bench.sessions({ rotationGrace: 0 })
    const ada = new Browser()
    ada.cookies.set('sid', (await sessions.create({ name: 'Ada' })).token)
    const { session, commit } = await openSession(sessions, ada.request())
    await session.rotate()
    session.data.step = Number.NaN
    const headers = new Headers()
    await assert.rejects(commit(headers), { code: 'ERR_FIELD_VALUE' })
    await ada.keep({ headers })
    assert.deepEqual((await sessions.load(ada.cookies.get('sid') as never))?.data, { name: 'Ada' })
  })

  it('touches the session at the commit, and says so when the request has one already', async () => {
    const sessions = bench.sessions({ touchInterval: 0 })
    const ada = new Browser()
    const { token } = await sessions.create({ name: 'Ada' })
    ada.cookies.set('sid', token)
    const request = ada.request()
    const { session, commit } = await openSession(sessions, request)
    await assert.rejects(openSession(sessions, request), MountError)
    const before = session.lastAccessedAt ?? assert.fail('no session')
    await passes(bench.observer, before)
    await commit(new Headers())
    await eventually(async () => Number((await sessions.peek(token))?.lastAccessedAt) > before)
  })
})
