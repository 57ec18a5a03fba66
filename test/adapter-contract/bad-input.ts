import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { newToken } from '../../src/core/token.ts'
import { createSessions, DataError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { keysOf, newPrefix } from '../redis/support.ts'
import { type Adapter, basics, type OpenOptions, open } from './app.ts'
import type { Bench, Data } from './bench.ts'

/** What comes in from clients, from Redis and from older code, and is not as it should be. */
export function badInputContract(adapter: Adapter, bench: Bench): void {
  describe(`bad input on ${adapter.name}`, () => {
    it('knows a session by a cookie that comes ten times, and by none if one of the ten is another', async (t) => {
      const { visitor } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      await ada.post('/begin')
      const same = Array<string>(10).fill(ada.cookieHeader)
      assert.deepEqual((await ada.get('/seen', { cookie: same.join('; ') })).json.data, { name: 'Ada' })
      for (let i = 0; i < 10; i++) {
        const cookie = same.with(i, `sid=${newToken()}`).join('; ')
        const reply = await ada.get('/seen', { cookie })
        assert.deepEqual([reply.status, reply.json, reply.cookies], [200, { id: null, ended: false, data: {} }, []])
      }
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    it('finds the session in as many cookies as fit into a request, and survives those that do not', async (t) => {
      const { visitor } = await open(t, bench, adapter, { routes: basics })
      const ada = visitor()
      await ada.post('/begin')
      // Node takes 16 KiB of headers in all.
      const filler = (bytes: number) => `${'a=b; '.repeat(bytes / 5)}${ada.cookieHeader}`
      assert.deepEqual((await ada.get('/seen', { cookie: filler(15_500) })).json.data, { name: 'Ada' })
      const nonsense = await visitor().get('/seen', { cookie: `sid=${'A'.repeat(15_500)}` })
      assert.deepEqual([nonsense.status, nonsense.json.data], [200, {}])
      assert.equal((await visitor().get('/seen', { cookie: filler(16_400) })).status, 431)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    /** Puts something in the place of a session's hash, by hand. */
    const HANDS: Record<string, (key: string) => Promise<unknown>> = {
      'has lost a mandatory field': (key) => bench.observer.hDel(key, 'deadline'),
      'has text where a number belongs': (key) => bench.observer.hSet(key, 'session_ttl', 'soon'),
      'has lost its TTL and a mandatory field': async (key) => {
        await bench.observer.hDel(key, 'created_at')
        await bench.observer.persist(key)
      },
      'is a string': async (key) => {
        await bench.observer.set(key, 'a string', { expiration: { type: 'EX', value: 60 } })
      },
      'is a list': async (key) => {
        await bench.observer.del(key)
        await bench.observer.rPush(key, ['created_at', '1'])
        await bench.observer.expire(key, 60)
      },
    }
    for (const [how, change] of Object.entries(HANDS)) {
      it(`treats a session whose hash ${how} as none, and leaves the hash alone`, async (t) => {
        const prefix = newPrefix()
        const store = redisStore(bench.client, { prefix })
        const sessions = createSessions<Data>({ store, cookie: { secure: false }, touchInterval: 0 })
        const { visitor, errors, failures } = await open(t, bench, adapter, { sessions, routes: basics })
        const ada = visitor()
        await ada.post('/begin')
        const cookie = ada.cookieHeader
        const key = keysOf(prefix, (await ada.get('/seen')).json.id).session
        await change(key)
        const dumped = await bench.observer.dump(key)
        const warnings = () => bench.heard.filter((said) => said instanceof Error && said.message.includes(key))

        for (let i = 0; i < 3; i++) {
          const reply = await ada.get('/seen')
          assert.deepEqual([reply.status, reply.json], [200, { id: null, ended: true, data: {} }])
          assert.deepEqual(reply.cookies, [])
        }
        // Whoever writes gets a new session beside it; a logout with the old cookie ends nothing.
        await ada.post('/begin')
        assert.notEqual(ada.cookieHeader, cookie)
        assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
        assert.equal((await visitor().post('/logout', { cookie })).status, 200)

        await new Promise(setImmediate)
        assert.deepEqual(
          warnings().map((warning) => (warning as { code?: string }).code),
          ['COATCHECK_BROKEN_SESSION'],
        )
        assert.deepEqual([errors, failures], [[], []])
        assert.equal(await bench.observer.dump(key), dumped)
        assert.ok((await bench.observer.pTTL(key)) > 0)
        await bench.observer.del(key)
      })
    }

    describe('a session whose data no longer fits the schema', () => {
      const schema = z.object({ name: z.string().optional(), cart: z.array(z.string()).optional() })
      const misfit = { name: 'Ada', cart: 'an umbrella' as never }

      /** An application with a schema, on a store that holds a session from before it. */
      async function openOlder(
        t: Parameters<typeof open>[0],
        more: Partial<OpenOptions>,
        migrate?: (data: Record<string, unknown>) => unknown,
      ) {
        const store = bench.store()
        const older = createSessions<Data>({ store })
        const { token, id } = await older.create(misfit)
        const sessions = createSessions<Data>({ store, cookie: { secure: false }, schema, ...(migrate && { migrate }) })
        const app = await open(t, bench, adapter, {
          sessions,
          ...more,
          routes: {
            ...basics,
            'GET /about': ({ session }) => ({ json: { id: session.id } }),
            'POST /count': async ({ session }) => ({ json: { views: await session.increment('views') } }),
            'GET /careful': ({ session }) => {
              try {
                return { json: session.data }
              } catch (error) {
                if (error instanceof DataError) return { status: 422, json: { fields: error.fields } }
                throw error
              }
            },
            ...more.routes,
          },
        })
        const ada = app.visitor()
        ada.cookies.set('sid', token)
        return { ...app, ada, id, stored: async () => (await older.find(id))?.data }
      }

      it('is a DataError for a handler that reads it, and for no other', async (t) => {
        const { ada, id, failures, errors, stored } = await openOlder(t, {})
        assert.deepEqual((await ada.get('/about')).json, { id })
        const reply = await ada.get('/seen')
        assert.equal(reply.status, 500)
        assert.doesNotMatch(reply.text, /umbrella/)
        const [failure] = failures
        assert.ok(failure instanceof DataError)
        assert.deepEqual([failure.code, failure.fields], ['ERR_DATA_INVALID', ['cart']])
        assert.doesNotMatch(String(failure.stack), /an umbrella/)

        const careful = await ada.get('/careful')
        assert.deepEqual([careful.status, careful.json], [422, { fields: ['cart'] }])
        assert.deepEqual((await ada.post('/count')).json, { views: 1 })
        assert.equal((await ada.post('/begin')).status, 500)
        assert.deepEqual(await stored(), { ...misfit, views: 1 })
        assert.deepEqual([failures.length, errors], [2, []])
      })

      it('can be logged out', async (t) => {
        const { ada, failures, stored } = await openOlder(t, {})
        const reply = await ada.post('/logout')
        assert.equal(reply.status, 200)
        assert.match(reply.cookies.join(), /^sid=; Max-Age=0;/)
        assert.equal(await stored(), undefined)
        assert.deepEqual(failures, [])
      })

      it('is brought up to date by migrate, and written where it is read', async (t) => {
        const { ada, stored } = await openOlder(t, {}, ({ cart, ...rest }) => ({ ...rest, cart: [cart].flat() }))
        await ada.get('/about')
        assert.deepEqual(await stored(), misfit)
        assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada', cart: ['an umbrella'] })
        assert.deepEqual(await stored(), { name: 'Ada', cart: ['an umbrella'] })
      })
    })
  })
}
