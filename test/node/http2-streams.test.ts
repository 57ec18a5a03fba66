import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { describe, it } from 'node:test'
import { createSessions, type SessionStore, StoreError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { nodeSessions } from '../../src/node.ts'
import { altered } from '../adapter-contract/bench.ts'
import type { Scope } from '../support/http.ts'
import { serveHttp2 } from './http2.ts'

// What the bridge of http2.test.ts cannot show: several streams on one connection.

async function open(
  scope: Scope,
  listener: (req: Http2ServerRequest, res: Http2ServerResponse, data: Partial<{ name: string }>) => unknown,
  changes: Partial<SessionStore> = {},
) {
  const store = altered(memoryStore(), changes)
  const sessions = createSessions<{ name: string }>({ store, cookie: { secure: false } })
  scope.after(() => sessions.close())
  const session = await serveHttp2(
    scope,
    nodeSessions(sessions, { onError: () => undefined, onFailure: () => undefined })(
      (req: Http2ServerRequest, res: Http2ServerResponse) => listener(req, res, sessions.of(req).data),
    ),
  )
  return { session, cookie: `sid=${(await sessions.create({ name: 'Ada' })).token}` }
}

async function ask(session: ClientHttp2Session, path: string, cookie: string) {
  const stream = session.request({ ':path': path, cookie })
  const [headers] = await once(stream, 'response')
  return { status: headers[':status'], text: (await stream.toArray()).join('') }
}

const TIMEOUT = { timeout: 20_000 }

describe('one of several streams of http2', () => {
  it('is broken off when its late changes cannot be stored, and leaves the others alone', TIMEOUT, async (t) => {
    const full = () => Promise.reject(new StoreError('ERR_STORE_FULL', 'Redis answered OOM.', 'none'))
    const { session, cookie } = await open(
      t,
      (req, res, data) => {
        if (req.url === '/other') return res.end('other')
        res.write('first')
        data.name = 'Eve'
        return res.end(' last')
      },
      { commit: full },
    )
    const broken = session.request({ ':path': '/', cookie })
    await assert.rejects(once(broken, 'end'), { code: 'ERR_HTTP2_STREAM_ERROR' })
    assert.equal(broken.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
    assert.deepEqual(await ask(session, '/other', cookie), { status: 200, text: 'other' })
  })

  it('is broken off when its listener fails within the answer', TIMEOUT, async (t) => {
    const { session, cookie } = await open(t, async (req, res) => {
      if (req.url === '/other') return res.end('other')
      res.write('half')
      await new Promise(setImmediate)
      throw new Error('no')
    })
    const broken = session.request({ ':path': '/', cookie })
    await assert.rejects(once(broken, 'end'), { code: 'ERR_HTTP2_STREAM_ERROR' })
    assert.deepEqual(await ask(session, '/other', cookie), { status: 200, text: 'other' })
  })

  it('keeps its whole answer, of which the listener throws away the connection too early', TIMEOUT, async (t) => {
    const { session, cookie } = await open(t, (_req, res, data) => {
      data.name = 'Eve'
      res.setHeader('content-length', 5)
      res.end('whole')
      res.stream.destroy()
    })
    assert.deepEqual(await ask(session, '/', cookie), { status: 200, text: 'whole' })
  })

  it('has no status message, and no warning of that', TIMEOUT, async (t) => {
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    t.after(() => process.off('warning', listen))
    const { session, cookie } = await open(t, (req, res, data) => {
      data.name = String(req.url)
      if (req.url === '/fails') throw new Error('no')
      res.writeHead(201).end('created')
    })
    assert.equal((await ask(session, '/', cookie)).status, 201)
    assert.equal((await ask(session, '/fails', cookie)).status, 500)
    await new Promise(setImmediate)
    assert.deepEqual(
      warnings.filter(({ message }) => message.includes('HTTP/2')),
      [],
    )
  })
})
