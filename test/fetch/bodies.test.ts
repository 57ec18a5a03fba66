import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fetchSessions } from '../../src/fetch.ts'
import type { Session, SessionStore } from '../../src/index.ts'
import { type Data, useBench } from '../adapter-contract.ts'
import { deferred } from '../support/http.ts'
import { webStream } from '../support/web-stream.ts'
import { Browser } from './browser.ts'

const bench = useBench()
const bytes = (text: string) => Buffer.from(text)

/** Somebody with a session, and a handler that answers with a body that `produce` makes. */
async function setUp(
  produce: (session: Session<Data>) => AsyncIterable<Uint8Array>,
  {
    headers = {},
    changes = () => ({}),
  }: { headers?: Record<string, string>; changes?: () => Partial<SessionStore> } = {},
) {
  const sessions = bench.sessions({ store: bench.store(changes) })
  const { token } = await sessions.create({ name: 'Ada' })
  const ada = new Browser()
  ada.cookies.set('sid', token)
  const answer = fetchSessions(sessions)(
    async (request) => new Response(webStream(produce(sessions.of(request))), { headers }),
  )
  return { response: await answer(ada.request()), stored: async () => (await sessions.load(token))?.data }
}

describe('the body of a response', () => {
  it('has its changes stored before it ends, and is not held before that', async () => {
    const go = deferred()
    const { response, stored } = await setUp(async function* (session) {
      yield bytes('first')
      await go.promise
      session.data.note = 'late'
      yield bytes(' last')
    })
    const reader = response.body?.getReader()
    assert.deepEqual((await reader?.read())?.value, bytes('first'))
    go.resolve()
    assert.deepEqual((await reader?.read())?.value, bytes(' last'))
    assert.equal((await reader?.read())?.done, true)
    assert.deepEqual(await stored(), { name: 'Ada', note: 'late' })
  })

  it('of a known length keeps its last byte until the changes are stored', async () => {
    const produced = async function* (session: Session<Data>) {
      yield bytes('first')
      yield bytes(' las')
      yield bytes('t')
      session.data.note = 'late'
    }
    const { response, stored } = await setUp(produced, { headers: { 'content-length': '10' } })
    let text = ''
    let before: unknown
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk)
      if (text.length === 10) before ??= (await stored())?.note
    }
    assert.deepEqual([text, before], ['first last', 'late'])
  })

  it('that breaks off by itself has its changes discarded', async () => {
    const { response, stored } = await setUp(async function* (session) {
      yield bytes('first')
      session.data.name = 'Eve'
      throw new Error('broken')
    })
    await assert.rejects(response.text(), /broken/)
    assert.deepEqual(await stored(), { name: 'Ada' })
  })

  it('that nobody reads to its end is ended, and its changes are not stored', { timeout: 30_000 }, async () => {
    let ended = false
    const { response, stored } = await setUp(async function* (session) {
      try {
        yield bytes('first')
        session.data.name = 'Eve'
        yield bytes(' last')
      } finally {
        ended = true
      }
    })
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    assert.deepEqual([ended, await stored()], [true, { name: 'Ada' }])
  })

  it('is ended when the commit before it fails', { timeout: 30_000 }, async () => {
    const ended = deferred()
    const sessions = bench.sessions()
    const answer = fetchSessions(sessions, { onError: () => undefined })((request) => {
      sessions.of(request).data.step = Number.NaN
      const cancel = () => ended.resolve()
      return new Response(new ReadableStream({ cancel }))
    })
    assert.equal((await answer(new Browser().request())).status, 500)
    await ended.promise
  })
})

describe('two sets of sessions on one request', () => {
  it('keep the cookie of one that has begun when the commit of the other fails', async () => {
    const shop = bench.sessions()
    const admin = bench.sessions({ cookie: { secure: false, name: 'admin' } })
    const onError = () => undefined
    const answer = fetchSessions(shop, { onError })(
      fetchSessions(admin, { onError })(async (request) => {
        admin.of(request).data.name = 'root'
        shop.of(request).data.step = Number.NaN
        return new Response('fine')
      }),
    )
    const ada = new Browser()
    assert.equal((await ada.keep(answer(ada.request()))).status, 500)
    assert.deepEqual([...ada.cookies.keys()], ['admin'])
  })

  it('are both discarded when one of them had to answer a failure', async () => {
    const shop = bench.sessions()
    const admin = bench.sessions({ cookie: { secure: false, name: 'admin' } })
    const answer = fetchSessions(shop)(
      fetchSessions(admin, { onError: () => undefined })(async (request) => {
        shop.of(request).data.name = 'Ada'
        await admin.of(request).login('u42')
        throw new Error('broken')
      }),
    )
    const ada = new Browser()
    assert.equal((await ada.keep(answer(ada.request()))).status, 500)
    assert.deepEqual([[...ada.cookies.keys()], await shop.count()], [['admin'], 0])
  })
})
