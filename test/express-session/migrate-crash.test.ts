import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { useRedis } from '../redis/support.ts'
import { deferred, eventually, inParallel } from '../support/http.ts'
import { cookieOf, dataOf, Sessions } from './connect-redis-sessions.ts'
import { ENDED } from './support.ts'
import { tampered } from './tampered-client.ts'

/** What taking a session over sends, in this order. */
const STEPS = ['HGETALL', 'GET', 'take_over', 'create', 'taken_over', 'HDEL']

describe('a process that stops while it takes a session over', () => {
  const redis = useRedis()

  for (const step of STEPS) {
    for (const when of ['before', 'after'] as const) {
      it(`${when} ${step} loses nothing, and takes nothing over twice`, async () => {
        const sessions = new Sessions(redis.client)
        const sid = await sessions.keep({ user: 'Ada', views: '007' })
        let failed = false
        const crash = (deed: string) => {
          if (deed !== step || failed) return
          failed = true
          throw new Error('the process has stopped')
        }
        await loadScripts(sessions)
        const crashing = sessions.ours({ client: tampered(redis.client, { [when]: crash }) })
        await assert.rejects(crashing.get(sid), { code: 'ERR_STORE_UNAVAILABLE' })

        const theirs = await sessions.theirs().get(sid)
        assert.deepEqual(dataOf(theirs), { user: 'Ada', views: '007' })
        const store = sessions.ours()
        assert.deepEqual(await store.get(sid), theirs)
        assert.equal(await store.length(), 1)
        // It ends, and nothing remembers that: what is left of it at connect-redis is not taken for a session again.
        assert.equal(await redis.client.hExists(sessions.newKey(sid), '_from'), 0)
        await redis.client.del(sessions.newKey(sid))
        assert.equal(await store.get(sid), null)
        assert.deepEqual(await sessions.theirs().get(sid), theirs)
      })
    }
  }

  /** From here on the server knows them. */
  async function loadScripts(sessions: Sessions): Promise<void> {
    const sid = await sessions.keep({})
    const store = sessions.ours()
    await store.get(sid)
    await store.clear()
  }
})

describe('a session that is logged out while it is taken over', () => {
  const redis = useRedis()

  /** A request that waits before one of its commands until it is told to go on. */
  function held(sessions: Sessions, step: string) {
    const [reached, gate] = [deferred(), deferred()]
    const before = (deed: string) => {
      if (deed !== step) return
      reached.resolve()
      return gate.promise
    }
    return {
      store: sessions.ours({ client: tampered(redis.client, { before }) }),
      reached: reached.promise,
      go: gate.resolve,
    }
  }

  /** The scripts are known, so that each is one command. */
  async function begun(): Promise<{ sessions: Sessions; sid: string }> {
    const sessions = new Sessions(redis.client)
    const [warm, sid] = [await sessions.keep({}), await sessions.keep({ user: 'Ada' })]
    await sessions.ours().get(warm)
    await sessions.ours().destroy(warm)
    return { sessions, sid }
  }

  for (const step of STEPS) {
    it(`through another instance before ${step} does not come back`, async () => {
      const { sessions, sid } = await begun()
      const { store, reached, go } = held(sessions, step)
      const slow = store.get(sid)
      await reached
      await sessions.ours().destroy(sid)
      go()
      assert.equal(await slow, null)
      const other = sessions.ours()
      assert.equal(await other.get(sid), null)
      assert.equal(await other.length(), 0)
      assert.equal(await sessions.theirs().get(sid), null)
    })
  }

  for (const step of ['GET', 'take_over', 'create', 'taken_over']) {
    it(`through connect-redis before ${step} does not come back`, async () => {
      const { sessions, sid } = await begun()
      const { store, reached, go } = held(sessions, step)
      const slow = store.get(sid)
      await reached
      await sessions.theirs().destroy(sid)
      go()
      assert.equal(await slow, null)
      assert.equal(await sessions.ours().get(sid), null)
      assert.equal(await sessions.ours().length(), 0)
    })
  }

  it('goes on when its copy has only expired meanwhile', { timeout: 60_000 }, async () => {
    const { sessions, sid } = await begun()
    await redis.client.pExpire(sessions.oldKey(sid), 3000)
    const { store, reached, go } = held(sessions, 'taken_over')
    const slow = store.get(sid)
    await reached
    const other = sessions.ours()
    const found = (await other.get(sid)) ?? assert.fail()
    await other.touch(sid, { ...found, cookie: cookieOf(60_000) })
    await eventually(async () => (await redis.client.exists(sessions.oldKey(sid))) === 0)
    go()
    assert.deepEqual(dataOf(await slow), { user: 'Ada' })
    assert.deepEqual(dataOf(await other.get(sid)), { user: 'Ada' })
  })

  it('is found by a request that looked for ours just before it was there', async () => {
    const { sessions, sid } = await begun()
    const { store, reached, go } = held(sessions, 'GET')
    const slow = store.get(sid)
    await reached
    await sessions.ours().get(sid)
    go()
    assert.deepEqual(dataOf(await slow), { user: 'Ada' })
  })

  it('is taken over as it is by then, if connect-redis writes it meanwhile', async () => {
    const { sessions, sid } = await begun()
    const { store, reached, go } = held(sessions, 'take_over')
    const slow = store.get(sid)
    await reached
    const theirs = (await sessions.theirs().get(sid)) ?? assert.fail()
    await sessions.theirs().set(sid, Object.assign(theirs, { user: 'Grace' }))
    go()
    assert.deepEqual(dataOf(await slow), { user: 'Grace' })
  })

  it('stays logged out when a slow request of connect-redis writes it afterwards, and that copy goes', async () => {
    const { sessions, sid } = await begun()
    const theirs = sessions.theirs()
    const slow = (await theirs.get(sid)) ?? assert.fail()
    const store = sessions.ours()
    await store.destroy(sid)
    await theirs.set(sid, slow)
    assert.equal(await store.get(sid), null)
    assert.equal(await theirs.get(sid), null)
  })

  it('stays logged out in any order of 300 logouts and 900 first requests', { timeout: 120_000 }, async () => {
    const { sessions } = await begun()
    const instances = await Promise.all(
      [1, 2, 3].map(async () => sessions.ours({ client: await redis.server.connect() })),
    )
    await inParallel(300, 20, async (i) => {
      const sid = await sessions.keep({ user: `user ${i}` })
      const order = [0, 1, 2, 3].sort(() => Math.random() - 0.5)
      const found = await Promise.all(
        order.map((who) => (who === 3 ? instances[i % 3]?.destroy(sid).then(() => null) : instances[who]?.get(sid))),
      )
      for (const store of instances) {
        assert.equal(await store.get(sid), null)
        for (const session of found) if (session != null) await assert.rejects(store.set(sid, session), ENDED)
      }
      assert.equal(await sessions.theirs().get(sid), null)
    })
    assert.equal(await sessions.ours().length(), 0)
  })
})
