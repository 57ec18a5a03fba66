import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { RedisStore } from 'connect-redis'
import type { Store } from 'express-session'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { barrier, type Deferred, deferred, inParallel } from '../support/http.ts'
import { openApp, sidOf } from './apps.ts'
import { newStore } from './support.ts'

// What happens to one session in two requests at once, over HTTP, with express-session as it is.

const PAIRS = 1000
const LOGOUTS = 200
const WIDTH = 20

describe('concurrent requests of one session', () => {
  const redis = useRedis()
  const connectRedis = () => new RedisStore({ client: redis.client, prefix: newPrefix() })

  /** Two requests at a time, which have both read the session before either writes: how many of their changes are lost. */
  async function lostOf(t: TestContext, store: Store): Promise<number> {
    const pairs = new Map<string, () => Promise<void>>()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        Object.assign(req.session, { left: -1, right: -1 })
        res.end()
      })
      app.post('/set/:pair/:property', async (req, res) => {
        const { pair, property } = req.params
        await pairs.get(pair)?.()
        req.session[property] = Number(pair)
        res.end()
      })
      app.get('/', (req, res) => {
        res.json({ ...req.session, cookie: undefined })
      })
    })
    const visitors = await Promise.all(
      Array.from({ length: WIDTH }, async () => {
        const one = visitor()
        await one.post('/begin')
        return one
      }),
    )
    let lost = 0
    await inParallel(WIDTH, WIDTH, async (v) => {
      const one = visitors[v] ?? assert.fail()
      for (let pair = v; pair < PAIRS; pair += WIDTH) {
        pairs.set(String(pair), barrier(2))
        await Promise.all([one.post(`/set/${pair}/left`), one.post(`/set/${pair}/right`)])
        const { left, right } = (await one.get('/')).json
        lost += Number(left !== pair) + Number(right !== pair)
      }
    })
    assert.deepEqual(errors, [])
    return lost
  }

  it(`lose none of ${2 * PAIRS} changes of different properties`, { timeout: 120_000 }, async (t) => {
    const prefix = newPrefix()
    assert.equal(await lostOf(t, newStore(redis.client, { prefix })), 0)
    await assertConsistent(redis.client, prefix, { monitoring: false })
  })

  it('lose many of them with connect-redis (measured)', { timeout: 120_000 }, async (t) => {
    t.diagnostic(`express-session with connect-redis lost ${await lostOf(t, connectRedis())} of ${2 * PAIRS} changes`)
  })

  /** Logouts while another request of the session is about to write: how many sessions are there afterwards. */
  async function revivedOf(t: TestContext, store: Store): Promise<{ revived: number; errors: unknown[] }> {
    const slow = new Map<string, { arrived: Deferred; go: Deferred }>()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/login', (req, res) => {
        req.session.user = 'ada'
        res.end()
      })
      app.post('/slow', async (req, res) => {
        const { arrived, go } = slow.get(req.sessionID) ?? assert.fail()
        arrived.resolve()
        await go.promise
        req.session.late = true
        res.end()
      })
      app.post('/logout', (req, res, next) => {
        req.session.destroy((error) => (error ? next(error) : res.end()))
      })
    })
    let revived = 0
    await inParallel(LOGOUTS, WIDTH, async () => {
      const one = visitor()
      await one.post('/login')
      const sid = sidOf(one)
      const [arrived, go] = [deferred(), deferred()]
      slow.set(sid, { arrived, go })
      const late = one.post('/slow')
      await arrived.promise
      await one.post('/logout')
      go.resolve()
      await late
      const found = await new Promise((resolve) => store.get(sid, (_error, session) => resolve(session)))
      if (found) revived++
    })
    return { revived, errors }
  }

  it(`never revive a session that ${LOGOUTS} of them have ended`, { timeout: 120_000 }, async (t) => {
    const prefix = newPrefix()
    const { revived, errors } = await revivedOf(t, newStore(redis.client, { prefix }))
    assert.equal(revived, 0)
    // Each slow request was told.
    assert.equal(errors.length, LOGOUTS)
    for (const error of errors) assert.equal((error as { code?: string }).code, 'ERR_SESSION_ENDED')
    await assertConsistent(redis.client, prefix, { monitoring: false })
  })

  it('revive it with connect-redis (measured)', { timeout: 120_000 }, async (t) => {
    const { revived } = await revivedOf(t, connectRedis())
    t.diagnostic(`express-session with connect-redis revived ${revived} of ${LOGOUTS} sessions`)
  })
})
