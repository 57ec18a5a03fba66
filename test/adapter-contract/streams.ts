import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { type CoatcheckError, HeadersSentError, type SessionStore, StoreError } from '../../src/index.ts'
import { deferred, eventually, headOf } from '../support/http.ts'
import { type Adapter, basics, type Incoming, open } from './app.ts'
import type { Bench } from './bench.ts'

const CHUNK = 64 * 1024
const CHUNKS = 320 // 20 MB

/** Answers that leave over time. */
export function streamsContract(adapter: Adapter, bench: Bench): void {
  describe(`streams on ${adapter.name}`, () => {
    it('sends 20 MB behind a commit, whole and in order', async (t) => {
      const source = new Source()
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'GET /large': ({ session }) => {
            session.data.note = 'sent'
            return { body: source.chunks() }
          },
        },
      })
      const ada = visitor()
      const res = await headOf(ada.begin('/large'))
      const received = createHash('sha256')
      for await (const chunk of res) received.update(chunk)
      assert.equal(received.digest('hex'), source.digest())
      assert.equal((await ada.get('/seen')).json.data.note, 'sent')
    })

    it('produces next to nothing while the commit is on its way', async (t) => {
      const source = new Source()
      const commit = deferred()
      const store = bench.store(({ create }) => ({
        create: async (...args: Parameters<SessionStore['create']>) => {
          await commit.promise
          return create(...args)
        },
      }))
      const { visitor } = await open(t, bench, adapter, {
        sessions: bench.sessions({ store, storeTimeout: '10s' }),
        routes: {
          'GET /large': ({ session }) => {
            session.data.note = 'sent'
            return { body: source.chunks() }
          },
        },
      })
      const response = headOf(visitor().begin('/large'))
      await source.stalls()
      assert.ok(source.produced <= 32 * CHUNK, `${source.produced} bytes were produced for a response that is held`)
      commit.resolve()
      let received = 0
      for await (const chunk of await response) received += (chunk as Buffer).length
      assert.equal(received, CHUNKS * CHUNK)
    })

    it('waits for a slow reader instead of holding 20 MB in memory', async (t) => {
      const source = new Source()
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          'GET /large': ({ session }) => {
            session.data.note = 'sent'
            return { body: source.chunks() }
          },
        },
      })
      const res = await headOf(visitor().begin('/large'))
      res.pause()
      await source.stalls()
      // What is on its way sits in the buffers of the kernel.
      assert.ok(
        source.produced < 0.6 * CHUNKS * CHUNK,
        `${source.produced} bytes were produced for a reader that does not read`,
      )
      const received = createHash('sha256')
      for await (const chunk of res) received.update(chunk)
      assert.equal(received.digest('hex'), source.digest())
    })

    it('sends server-sent events one by one', async (t) => {
      const next = [deferred(), deferred(), deferred()]
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          'GET /events': ({ session }) => {
            session.data.name = 'Ada'
            return { headers: { 'content-type': 'text/event-stream' }, body: events() }
          },
        },
      })
      async function* events() {
        for (const [i, { promise }] of next.entries()) {
          await promise
          yield Buffer.from(`data: ${i}\n\n`)
        }
      }
      const req = visitor().begin('/events')
      next[0]?.resolve()
      const res = await headOf(req)
      assert.match(String(res.headers['set-cookie']), /^sid=/)
      const end = once(res, 'end')
      assert.equal(String((await once(res, 'data'))[0]), 'data: 0\n\n')
      for (const i of [1, 2]) {
        const event = once(res, 'data')
        next[i]?.resolve()
        assert.equal(String((await event)[0]), `data: ${i}\n\n`)
      }
      await end
    })

    it('commits changes made after the first byte before the client can see the end', async (t) => {
      const { visitor } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'GET /slow': ({ session }) => ({
            body: (async function* () {
              yield Buffer.from('first')
              session.data.note = 'while streaming'
              yield Buffer.from(' last')
            })(),
          }),
          // The client knows the end by the length: its last byte is the end.
          'GET /measured': ({ session }) => ({
            headers: { 'content-length': '10' },
            body: (async function* () {
              yield Buffer.from('first')
              yield Buffer.from(' last')
              session.data.step = 10
            })(),
          }),
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      assert.equal((await ada.get('/slow')).text, 'first last')
      assert.equal((await ada.get('/seen')).json.data.note, 'while streaming')
      assert.equal((await ada.get('/measured')).text, 'first last')
      assert.equal((await ada.get('/seen')).json.data.step, 10)
    })

    it('breaks the connection when changes made after the first byte cannot be stored', async (t) => {
      let failing = false
      const store = bench.store(({ commit }) => ({
        commit: (...args: Parameters<SessionStore['commit']>) =>
          failing ? Promise.reject(new StoreError('ERR_STORE_FULL', 'Redis answered OOM.', 'none')) : commit(...args),
      }))
      async function* late({ data }: Incoming['session']) {
        yield Buffer.from('first')
        data.note = 'never stored'
        yield Buffer.from(' last')
      }
      const { visitor, errors } = await open(t, bench, adapter, {
        sessions: bench.sessions({ store }),
        routes: {
          ...basics,
          'GET /chunked': ({ session }) => ({ body: late(session) }),
          'GET /measured': ({ session }) => ({ headers: { 'content-length': '10' }, body: late(session) }),
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      failing = true
      const chunked = await headOf(ada.begin('/chunked'))
      assert.equal(chunked.statusCode, 200)
      await brokenOff(chunked)
      const measured = await headOf(ada.begin('/measured'))
      assert.ok((await brokenOff(measured)).length < 'first last'.length)
      assert.deepEqual(
        errors.map((error) => (error as CoatcheckError).code),
        ['ERR_STORE_FULL', 'ERR_STORE_FULL'],
      )
      failing = false
      assert.equal((await ada.get('/seen')).json.data.note, undefined)
    })

    it('refuses to begin, rotate or log out a session once the head has left', async (t) => {
      const refused: unknown[] = []
      const trying = (act: () => Promise<unknown>) => act().catch((error: unknown) => refused.push(error))
      const { visitor, sessions } = await open(t, bench, adapter, {
        routes: {
          'GET /late': ({ session }) => ({
            body: (async function* () {
              yield Buffer.from('first')
              await trying(() => session.rotate())
              await trying(() => session.logout())
              await trying(() => session.increment('views'))
              await trying(() => session.update('cart', () => ['hat']))
              session.data.name = 'Ada'
              await trying(() => session.commit())
              delete session.data.name
              yield Buffer.from(' last')
            })(),
          }),
        },
      })
      assert.equal((await visitor().get('/late')).text, 'first last')
      assert.equal(refused.length, 5)
      for (const error of refused) {
        assert.ok(error instanceof HeadersSentError)
        assert.equal(error.code, 'ERR_HEADERS_SENT')
      }
      assert.equal(await sessions.count(), 0)
    })

    it('breaks the connection when a session would have to begin after the head', async (t) => {
      const { visitor, sessions, errors } = await open(t, bench, adapter, {
        routes: {
          'GET /late': ({ session }) => ({
            body: (async function* () {
              yield Buffer.from('first')
              session.data.name = 'Ada'
            })(),
          }),
        },
      })
      const res = await headOf(visitor().begin('/late'))
      await brokenOff(res)
      assert.ok(errors[0] instanceof HeadersSentError)
      assert.equal(await sessions.count(), 0)
    })

    it('has stored what it committed for a client that hangs up midway, and serves on', async (t) => {
      const source = new Source()
      const { visitor, sessions, errors } = await open(t, bench, adapter, {
        routes: {
          ...basics,
          'GET /large': ({ session }) => {
            session.data.note = 'sent'
            return { body: source.chunks() }
          },
        },
      })
      const ada = visitor()
      await ada.post('/begin')
      const { id } = (await ada.get('/seen')).json
      for (const hangUp of ['after the first bytes', 'at once'] as const) {
        const req = ada.begin('/large')
        if (hangUp === 'after the first bytes') await once(await headOf(req), 'data')
        req.destroy()
        await eventually(async () => (await sessions.find(id))?.data.note === 'sent')
      }
      assert.equal((await ada.get('/seen')).json.data.note, 'sent')
      assert.deepEqual(errors, [])
    })
  })
}

/** A body of 20 MB that says how much of it was asked for. */
class Source {
  produced = 0
  readonly #hash = createHash('sha256')

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < CHUNKS; i++) {
      const chunk = Buffer.alloc(CHUNK, i)
      this.#hash.update(chunk)
      this.produced += CHUNK
      yield chunk
    }
  }

  /** Resolves when nobody asks for more. */
  async stalls(): Promise<void> {
    let before = -1
    await eventually(async () => {
      if (before === this.produced && before > 0) return true
      before = this.produced
      // Far longer than a turn in which a reader that reads would have asked.
      await new Promise((resolve) => setTimeout(resolve, 100))
      return false
    })
  }

  digest(): string {
    return this.#hash.digest('hex')
  }
}

/** What arrived of a response before the connection broke. */
async function brokenOff(res: IncomingMessage): Promise<string> {
  let text = ''
  await assert.rejects(
    async () => {
      for await (const chunk of res) text += chunk
    },
    { code: 'ECONNRESET' },
  )
  return text
}
