import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { barrier, deferred, inParallel } from '../support/http.ts'
import { type Adapter, basics, type Handler, type OpenApp, open } from './app.ts'
import type { Bench } from './bench.ts'

/** A request whose handler waits until the test lets it go on. */
interface Slow {
  readonly arrived: Promise<void>
  go(): void
}

/** On these adapters in full, `all` in the long form; on the others, which share the code that matters here, a fifth of it. */
const { RACES_IN_FULL = 'Express 5' } = process.env

/** Requests that overtake each other. Deadlines are long: what is shown here does not depend on how busy the machine is. */
export function racesContract(adapter: Adapter, bench: Bench): void {
  const sessions = (options = {}) => bench.sessions({ storeTimeout: '20s', ...options })
  const isFull = ['all', adapter.name].includes(RACES_IN_FULL)
  const [many, logouts, rounds] = isFull ? [1000, 200, 40] : [200, 40, 10]

  describe(`races on ${adapter.name}`, () => {
    it(`loses none of ${many} pairs of concurrent changes to different fields`, async (t) => {
      const meetings = new Map<string, () => Promise<void>>()
      const change = (field: 'name' | 'note'): Handler => {
        return async ({ session, header }) => {
          const value = String(header('x-value'))
          // Both have loaded the session before either of them writes.
          await meetings.get(value)?.()
          session.data[field] = value
          return { json: {} }
        }
      }
      const app = await open(t, bench, adapter, {
        sessions: sessions(),
        routes: { ...basics, 'POST /name': change('name'), 'POST /note': change('note') },
      })
      let lost = 0
      await inParallel(10, 10, async (n) => {
        const ada = app.visitor()
        await ada.post('/begin')
        for (let i = 0; i < many / 10; i++) {
          const value = `${n}/${i}`
          meetings.set(value, barrier(2))
          const headers = { 'x-value': value }
          const replies = await Promise.all([ada.post('/name', { headers }), ada.post('/note', { headers })])
          assert.deepEqual(
            replies.map(({ status }) => status),
            [200, 200],
          )
          const { name, note } = (await ada.get('/seen')).json.data
          if (name !== value || note !== value) lost++
        }
      })
      assert.equal(lost, 0)
    })

    it(`counts ${many} increments in bursts`, async (t) => {
      const app = await open(t, bench, adapter, {
        sessions: sessions(),
        routes: {
          ...basics,
          'POST /view': async ({ session }) => ({ json: await session.increment('views') }),
        },
      })
      const ada = app.visitor()
      await ada.post('/begin')
      const counts = new Set<number>()
      for (let burst = 0; burst < 5; burst++) {
        const replies = await Promise.all(Array.from({ length: many / 5 }, () => ada.post('/view')))
        for (const { json } of replies) counts.add(json)
      }
      assert.equal(counts.size, many)
      assert.equal((await ada.get('/seen')).json.data.views, many)
    })

    it(`keeps all of ${many} concurrent updates of one array`, async (t) => {
      const app = await open(t, bench, adapter, {
        sessions: sessions(),
        routes: {
          ...basics,
          'POST /add': async ({ session, header }) => {
            const item = String(header('x-item'))
            await session.update('cart', (cart = []) => [...cart, item])
            return { json: {} }
          },
        },
      })
      const ada = app.visitor()
      await ada.post('/begin')
      const items = Array.from({ length: many }, (_, i) => `item ${i}`)
      const replies = await Promise.all(items.map((item) => ada.post('/add', { headers: { 'x-item': item } })))
      assert.ok(replies.every(({ status }) => status === 200))
      assert.deepEqual((await ada.get('/seen')).json.data.cart.sort(), items.sort())
    })

    for (const [what, expected] of [
      ['writing', 401],
      ['reading', 200],
    ] as const) {
      it(`brings none of ${logouts} sessions back that were logged out during a slow ${what} request`, async (t) => {
        const { app, begin } = await openSlow({
          scope: t,
          // For a read to revive a session, it would have to touch it.
          sessions: sessions({ touchInterval: 0 }),
          answer: ({ session }) => {
            if (what === 'writing') session.data.note = 'late'
            return { json: session.data }
          },
        })
        let back = 0
        await inParallel(logouts, 20, async () => {
          const ada = app.visitor()
          await ada.post('/begin')
          const cookie = ada.cookieHeader
          const slow = begin()
          const reply = ada.post('/slow', { headers: { 'x-slow': slow.name } })
          await slow.arrived
          assert.equal((await ada.post('/logout')).status, 200)
          slow.go()
          const late = await reply
          assert.deepEqual([late.status, late.cookies], [expected, []])
          if (!(await ada.get('/seen', { cookie })).json.ended) back++
        })
        assert.equal(back, 0)
        // Once the touches that were on their way are done as well.
        await app.sessions.close()
        const left = Object.keys(await bench.redis.dump())
        assert.deepEqual(
          left.filter((key) => app.ids.some((id) => key.endsWith(id.slice(2)))),
          [],
        )
      })
    }

    it(`leaves nobody logged in whose login came before the user was logged out everywhere, ${rounds} times`, async (t) => {
      const user = (header: (name: string) => string | undefined) => `ada ${header('x-round')}`
      const app = await open(t, bench, adapter, {
        sessions: sessions(),
        routes: {
          ...basics,
          'POST /login': async ({ session, header }) => {
            const began = performance.now()
            await session.login(user(header))
            return { json: { began } }
          },
          'POST /everywhere': async ({ session }) => {
            const began = performance.now()
            await session.revokeAll()
            return { json: { began } }
          },
        },
      })
      const tally = { refused: 0, ended: 0, alive: 0 }
      await inParallel(rounds, 5, async (n) => {
        const headers = { 'x-round': n }
        const [first, ...others] = Array.from({ length: 8 }, () => app.visitor())
        assert.equal((await first?.post('/login', { headers }))?.status, 200)
        await Promise.all(others.map((visitor) => visitor.post('/begin')))
        const logins = others.map(async (visitor, i) => {
          await pause(2 * i)
          return visitor.post('/login', { headers })
        })
        await pause(6)
        const everywhere = await first?.post('/everywhere')
        assert.equal(everywhere?.status, 200)
        for (const [i, reply] of (await Promise.all(logins)).entries()) {
          const isLogin = reply.status === 200
          const isAlive = isLogin && !(await others[i]?.get('/seen'))?.json.ended
          // Else it had come before anybody could know of the end.
          if (isAlive) assert.ok(reply.json.began > everywhere?.json.began, 'logged in all the same')
          tally[isAlive ? 'alive' : isLogin ? 'ended' : 'refused']++
        }
      })
      t.diagnostic(JSON.stringify(tally))
      assert.ok(tally.ended + tally.refused > 0, 'nobody was logged out: this proves nothing')
    })

    it('serves 50 requests in flight during a rotation, by one successor', async (t) => {
      const { app, begin } = await openSlow({
        scope: t,
        sessions: sessions(),
        answer: ({ session, header }) => {
          session.data[`field${Number(header('x-n'))}`] = 1
          return { json: {} }
        },
      })
      const ada = app.visitor()
      await ada.post('/begin')
      const cookie = ada.cookieHeader
      const slow = Array.from({ length: 50 }, begin)
      const replies = slow.map(({ name }, n) => ada.post('/slow', { headers: { 'x-slow': name, 'x-n': n }, cookie }))
      await Promise.all(slow.map(({ arrived }) => arrived))
      assert.equal((await ada.post('/rotate')).status, 200)
      assert.notEqual(ada.cookieHeader, cookie)
      for (const { go } of slow) go()
      for (const { status, cookies } of await Promise.all(replies)) {
        assert.deepEqual([status, cookies], [200, []])
      }
      const { data } = (await ada.get('/seen')).json
      assert.equal(Object.keys(data).filter((field) => field.startsWith('field')).length, 50)
      assert.equal(await app.sessions.count(), 1)
    })

    it('rotates once when 50 requests rotate at once, and hands out one token', async (t) => {
      const { app } = await openSlow({ scope: t, sessions: sessions(), answer: () => ({}) })
      const ada = app.visitor()
      await ada.post('/begin')
      const cookie = ada.cookieHeader
      const all = barrier(50)
      app.beforeRotation = all
      const replies = await Promise.all(Array.from({ length: 50 }, () => ada.post('/rotate', { cookie })))
      assert.ok(replies.every(({ status }) => status === 200))
      assert.equal(replies.flatMap(({ cookies }) => cookies).length, 1)
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
      assert.equal(await app.sessions.count(), 1)
    })
  })

  interface SlowApp extends OpenApp {
    /** Of the sessions that were begun. */
    readonly ids: string[]
    beforeRotation: () => Promise<void>
  }

  /** An application with a slow route, and how to begin a request to it. */
  async function openSlow({
    scope,
    sessions,
    answer,
  }: {
    scope: Parameters<typeof open>[0]
    sessions: OpenApp['sessions']
    answer: Handler
  }) {
    const waiting = new Map<string, { arrived(): void; readonly go: Promise<void> }>()
    const app: OpenApp = await open(scope, bench, adapter, {
      sessions,
      routes: {
        ...basics,
        'POST /begin': async ({ session }) => {
          session.data.name = 'Ada'
          await session.commit()
          slowApp.ids.push(String(session.id))
          return { json: {} }
        },
        'POST /slow': async (incoming) => {
          assert.ok(incoming.session.id, 'the session is loaded before the wait')
          const slow = waiting.get(String(incoming.header('x-slow')))
          slow?.arrived()
          await slow?.go
          return answer(incoming)
        },
        'POST /rotate': async ({ session }) => {
          await slowApp.beforeRotation()
          await session.rotate()
          return { json: {} }
        },
      },
    })
    const slowApp: SlowApp = { ...app, ids: [], beforeRotation: async () => {} }
    let last = 0
    const begin = (): Slow & { readonly name: string } => {
      const name = String(++last)
      const [arrived, go] = [deferred(), deferred()]
      waiting.set(name, { arrived: arrived.resolve, go: go.promise })
      return { name, arrived: arrived.promise, go: go.resolve }
    }
    return { app: slowApp, begin }
  }
}
