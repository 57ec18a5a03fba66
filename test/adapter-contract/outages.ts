import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { newPrefix } from '../redis/support.ts'
import { deferred, eventually, type Reply, type Scope } from '../support/http.ts'
import { measureStall } from '../support/lag.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { type Adapter, basics, type Handler, type OpenApp, open, type Routes } from './app.ts'
import type { Bench, Data } from './bench.ts'

const DEADLINE = 500

/** Redis frozen and killed under requests (P7). */
export function outagesContract(adapter: Adapter, bench: Bench): void {
  /** An application on a Redis of its own, which the test may ill-treat. */
  async function openOnOwnRedis(t: Scope, more: Routes = {}): Promise<{ app: OpenApp; redis: RedisServer }> {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const client = await redis.connect({ socket: { reconnectStrategy: (tries) => Math.min(20 * 2 ** tries, 200) } })
    const app = await open(t, bench, adapter, {
      sessions: createSessions<Data>({
        store: redisStore(client, { prefix: newPrefix() }),
        cookie: { secure: false },
        storeTimeout: DEADLINE,
      }),
      routes: { ...basics, ...more },
    })
    return { app, redis }
  }

  /** Stops the server in its tracks. Returns how to let it go on. */
  function freeze({ pid }: RedisServer): () => void {
    process.kill(pid, 'SIGSTOP')
    return () => process.kill(pid, 'SIGCONT')
  }

  /** Resolves when the application knows that Redis is away. */
  async function isDown({ sessions }: OpenApp): Promise<void> {
    await eventually(async () => (await sessions.health()).state === 'down')
  }

  function assertAway({ status, headers, cookies }: Reply): void {
    assert.deepEqual([status, headers['retry-after'], cookies], [503, '1', []])
  }

  async function timed(request: () => Promise<Reply>): Promise<{ reply: Reply; took: number }> {
    const start = performance.now()
    const reply = await request()
    return { reply, took: performance.now() - start }
  }

  describe(`outages on ${adapter.name}`, () => {
    it('answers 503 within the deadline while Redis is frozen, serves visitors, and goes on when it is back', async (t) => {
      const busy = measureStall()
      const { app, redis } = await openOnOwnRedis(t)
      const ada = app.visitor()
      await ada.post('/begin')
      const thaw = freeze(redis)
      for (const { reply, took } of await Promise.all(Array.from({ length: 5 }, () => timed(() => ada.get('/seen'))))) {
        assertAway(reply)
        assert.ok(took < DEADLINE + 200 + busy(), `answered after ${took} ms`)
      }
      await isDown(app)
      const again = await timed(() => ada.get('/seen'))
      assertAway(again.reply)
      assert.ok(again.took < 200 + busy(), `known to be away, and answered after ${again.took} ms`)
      const visit = await timed(() => app.visitor().get('/seen'))
      assert.equal(visit.reply.status, 200)
      assert.ok(visit.took < 200 + busy(), `a visitor was answered after ${visit.took} ms`)
      const begin = await timed(() => app.visitor().post('/begin'))
      assertAway(begin.reply)
      assert.ok(begin.took < 200 + busy(), `answered after ${begin.took} ms`)
      thaw()
      const back = performance.now()
      await eventually(async () => (await ada.get('/seen')).status === 200)
      assert.ok(performance.now() - back < 2000 + busy())
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })

    it('answers 503 when Redis freezes between the read and the commit', async (t) => {
      const busy = measureStall()
      const [arrived, go] = [deferred(), deferred()]
      const { app, redis } = await openOnOwnRedis(t, {
        'POST /slow': async ({ session }) => {
          arrived.resolve()
          await go.promise
          session.data.note = 'late'
          return { json: { ok: true } }
        },
      })
      const ada = app.visitor()
      await ada.post('/begin')
      const slow = ada.post('/slow')
      await arrived.promise
      const thaw = freeze(redis)
      const start = performance.now()
      go.resolve()
      const reply = await slow
      assertAway(reply)
      assert.deepEqual(reply.json, { error: 'Session store unavailable' })
      assert.ok(performance.now() - start < DEADLINE + 200 + busy())
      thaw()
    })

    it('answers 503 and clears the cookie when a logout has an unknown outcome, or was not tried', async (t) => {
      const doors = { ada: [deferred(), deferred()], eve: [deferred(), deferred()] } as const
      const leave = ([arrived, go]: (typeof doors)['ada']): Handler => {
        return async ({ session }) => {
          arrived.resolve()
          await go.promise
          await session.logout()
          return { json: { ok: true } }
        }
      }
      const { app, redis } = await openOnOwnRedis(t, {
        'POST /ada/leave': leave(doors.ada),
        'POST /eve/leave': leave(doors.eve),
      })
      const leaving = async (who: keyof typeof doors) => {
        const visitor = app.visitor()
        await visitor.post('/begin')
        const reply = visitor.post(`/${who}/leave`)
        await doors[who][0].promise
        return { reply }
      }
      const [ada, eve] = [await leaving('ada'), await leaving('eve')]
      const thaw = freeze(redis)
      const busy = measureStall()
      for (const [who, within] of [
        [ada, DEADLINE],
        [eve, 0],
      ] as const) {
        const start = performance.now()
        doors[who === ada ? 'ada' : 'eve'][1].resolve()
        const reply = await who.reply
        assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '1'])
        assert.ok(performance.now() - start < within + 200 + busy())
        assert.match(reply.cookies.join(), /^sid=; Max-Age=0;/)
        await isDown(app)
      }
      thaw()
    })

    it('answers 503 within the deadline while Redis is dead, and goes on when there is one again', async (t) => {
      const busy = measureStall()
      const { app, redis } = await openOnOwnRedis(t)
      const ada = app.visitor()
      await ada.post('/begin')
      process.kill(redis.pid, 'SIGKILL')
      for (let i = 0; i < 3; i++) {
        const { reply, took } = await timed(() => ada.get('/seen'))
        assertAway(reply)
        assert.ok(took < DEADLINE + 200 + busy(), `answered after ${took} ms`)
      }
      await isDown(app)
      const known = await timed(() => ada.get('/seen'))
      assertAway(known.reply)
      assert.ok(known.took < 200 + busy(), `known to be away, and answered after ${known.took} ms`)
      assert.equal((await app.visitor().get('/seen')).status, 200)
      assert.equal((await app.visitor().post('/begin')).status, 503)
      const again = await startRedis({ port: redis.port })
      t.after(() => again.stop())
      const back = performance.now()
      await eventually(async () => (await ada.get('/seen')).status === 200)
      assert.ok(performance.now() - back < 2000 + busy())
      await ada.post('/begin')
      assert.deepEqual((await ada.get('/seen')).json.data, { name: 'Ada' })
    })
  })
}
