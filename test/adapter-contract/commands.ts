import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newToken } from '../../src/core/token.ts'
import { createSessions, type SessionStore } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { type Monitor, monitor, newPrefix } from '../redis/support.ts'
import { deferred, eventually, inParallel, type Scope } from '../support/http.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { type Adapter, basics, type OpenApp, type OpenOptions, open } from './app.ts'
import type { Bench, Data } from './bench.ts'

/** What a request costs Redis, and when its writes can be read. */
export function commandsContract(adapter: Adapter, bench: Bench): void {
  describe(`commands on ${adapter.name}`, () => {
    let redis: Monitor
    before(async () => {
      redis = await monitor(bench.redis, bench.observer)
    })
    after(() => redis.stop())

    /** An application whose store has asked its server what it asks once per connection. */
    async function openReady(t: Scope, options: () => OpenOptions): Promise<OpenApp> {
      await redis.sent()
      const app = await open(t, bench, adapter, options())
      await eventually(async () => (await redis.sent()).some(([name]) => name === 'INFO'))
      return app
    }

    /** The commands of one request, by name, as the server got them. */
    async function costs(request: () => Promise<{ status: number }>): Promise<string[]> {
      // A touch of the request before may still be on its way, and another would wait for it: both are over at the PING.
      await bench.client.ping()
      await redis.sent()
      assert.equal((await request()).status, 200)
      // On the application's own connection: what went before it has arrived.
      await bench.client.ping()
      const names = (await redis.sent()).map(([name]) => name)
      assert.equal(names.pop(), 'PING')
      return names as string[]
    }

    it('sends none for a visitor without a cookie', async (t) => {
      const app = await openReady(t, () => ({ routes: basics }))
      assert.deepEqual(await costs(() => app.visitor().get('/seen')), [])
    })

    it('sends none for a malformed token', async (t) => {
      const app = await openReady(t, () => ({ routes: basics }))
      const token = newToken()
      for (const cookie of [
        'sid=x',
        `sid=${token}x`,
        `sid=${token.slice(1)}`,
        `sid="${token}"`,
        `sid=${token}; sid=${newToken()}`,
      ]) {
        assert.deepEqual(await costs(() => app.visitor().get('/seen', { cookie })), [], cookie)
      }
    })

    it('sends one for an unknown token', async (t) => {
      const app = await openReady(t, () => ({ routes: basics }))
      assert.deepEqual(await costs(() => app.visitor().get('/seen', { cookie: `sid=${newToken()}` })), ['HGETALL'])
    })

    it('sends one to read, two to write, and none when nothing has changed', async (t) => {
      const app = await openReady(t, () => ({
        routes: {
          ...basics,
          'POST /change': ({ session }) => {
            session.data.step = (session.data.step ?? 0) + 1
            session.data.note = 'several fields'
            return { json: {} }
          },
          'POST /same': ({ session }) => {
            session.data.note = 'several fields'
            return { json: {} }
          },
        },
      }))
      const ada = app.visitor()
      await ada.post('/begin')
      await ada.post('/change') // The first use of a script sends it whole.
      assert.deepEqual(await costs(() => ada.get('/seen')), ['HGETALL'])
      assert.deepEqual(await costs(() => ada.post('/change')), ['HGETALL', 'EVALSHA'])
      assert.deepEqual(await costs(() => ada.post('/same')), ['HGETALL'])
    })

    it('sends one more for a touch that is due, and none for a due touch beside a write', async (t) => {
      const app = await openReady(t, () => ({
        sessions: bench.sessions({ touchInterval: 0 }),
        routes: {
          ...basics,
          'POST /change': ({ session }) => {
            session.data.step = (session.data.step ?? 0) + 1
            return { json: {} }
          },
        },
      }))
      const ada = app.visitor()
      await ada.post('/begin')
      await ada.post('/change')
      await ada.get('/seen')
      assert.deepEqual(await costs(() => ada.get('/seen')), ['HGETALL', 'EVALSHA'])
      assert.deepEqual(await costs(() => ada.post('/change')), ['HGETALL', 'EVALSHA'])
    })

    it('does not hold up a response for a touch, however long that takes', async (t) => {
      const answered = deferred()
      let touches = 0
      const store = bench.store(({ touch }) => ({
        touch: async (...args: Parameters<SessionStore['touch']>) => {
          touches++
          await answered.promise
          return touch(...args)
        },
      }))
      const app = await open(t, bench, adapter, {
        sessions: bench.sessions({ store, touchInterval: 0, storeTimeout: '20s' }),
        routes: basics,
      })
      const ada = app.visitor()
      await ada.post('/begin')
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
      assert.equal(touches, 1)
      // Another request finds that touch on its way, and does not send a second one.
      assert.equal((await ada.get('/seen')).status, 200)
      assert.equal(touches, 1)
      answered.resolve()
    })

    it('reads its own writes 500 times, over a slow connection to Redis', async (t) => {
      const proxy = await startProxy(bench.redis.port, { delayMs: 2 })
      t.after(() => proxy.stop())
      const client = await bench.redis.connect({ url: `redis://127.0.0.1:${proxy.port}` })
      t.after(() => client.destroy())
      const app = await open(t, bench, adapter, {
        sessions: createSessions<Data>({
          store: redisStore(client, { prefix: newPrefix() }),
          cookie: { secure: false },
        }),
        routes: {
          ...basics,
          'POST /step': ({ session, header }) => {
            session.data.step = Number(header('x-step'))
            return { redirect: '/seen' }
          },
        },
      })
      let stale = 0
      await inParallel(10, 10, async () => {
        const ada = app.visitor()
        for (let step = 0; step < 50; step++) {
          const redirect = await ada.post('/step', { headers: { 'x-step': step } })
          const seen = await ada.get(String(redirect.headers.location))
          if (seen.json.data.step !== step) stale++
        }
      })
      assert.equal(stale, 0)
    })
  })
}
