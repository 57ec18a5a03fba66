import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CoatcheckStore } from '../../src/express-session.ts'
import { SessionEndedError, type SessionStore, StoreError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { altered } from '../adapter-contract/bench.ts'
import { startLossyProxy } from '../fire/lossy-proxy.ts'
import { passes } from '../fire/redis-time.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { keysOf, newPrefix, useRedis } from '../redis/support.ts'
import { call, NOTE } from '../store-contract.ts'
import { barrier, deferred, eventually, inParallel } from '../support/http.ts'
import { codeOf, distant } from '../users/support.ts'
import { ask, beginOld, type Data, open, signed, userOf } from './setup.ts'

const ADA = { passport: { user: 7 }, cart: ['tea'] }

/** What a process that dies in the middle leaves to others: neither is the session released, nor its seal given back. */
function dying(store: SessionStore): SessionStore {
  let alive = true
  return altered(store, {
    seal: async (...args: Parameters<SessionStore['seal']>) => {
      if (!alive) throw new Error('The process has died.')
      return store.seal(...args)
    },
    release: async () => {
      alive = false
      throw new StoreError('ERR_STORE_UNAVAILABLE', 'The process has died.', 'none')
    },
  })
}

describe('an adoption', { timeout: 120_000, concurrency: 4 }, () => {
  const redis = useRedis()

  async function stores() {
    const prefixes = [newPrefix(), newPrefix()] as [string, string]
    const store = redisStore(redis.client, { prefix: prefixes[0] })
    // As CoatcheckStore keeps them.
    const old = redisStore(redis.client, { prefix: prefixes[1], monitoring: false })
    const areConsistent = async () => {
      await assertConsistent(redis.client, prefixes[0])
      await assertConsistent(redis.client, prefixes[1], { monitoring: false })
    }
    return {
      store,
      old,
      prefixes,
      areConsistent,
      async check(members: number) {
        await areConsistent()
        assert.deepEqual(await store.count(call()), { guests: 0, members })
        assert.deepEqual(await old.count(call()), { guests: 0, members: 0 })
      },
    }
  }

  it('of one process serves the requests of another from the same session, in memory too', async () => {
    const [store, old] = [memoryStore(), memoryStore()]
    const apps = [0, 1].map(() => open(distant(2, store), distant(2, old)))
    for (let round = 0; round < 50; round++) {
      const { cookie } = await beginOld(old, ADA)
      const together = barrier(6)
      const answers = await Promise.all(
        Array.from({ length: 6 }, async (_, i) => {
          await together()
          return ask(apps[i % 2]!, cookie, ({ id, userId }) => ({ id, userId }))
        }),
      )
      assert.equal(answers.filter(({ token }) => token !== null).length, 1)
      assert.equal(new Set(answers.map(({ said }) => said.id)).size, 1)
      assert.ok(answers.every(({ said }) => said.userId === '7'))
    }
    assert.deepEqual(await store.count(call()), { guests: 0, members: 50 })
    assert.deepEqual(await old.count(call()), { guests: 0, members: 0 })
  })

  it('loses no write that an instance of express-session was told is done', async (t) => {
    const { store, old, prefixes, check } = await stores()
    const client = await redis.server.connect()
    const express = new CoatcheckStore({ client, prefix: prefixes[1], storeTimeout: '20s' })
    const sessions = open(store, old)
    let [acknowledged, ended, rounds] = [0, 0, 0]
    while (acknowledged < 1000) {
      const { sid, cookie } = await beginOld(old, ADA)
      const written: Partial<Data> = {}
      const adopting = pause(Math.random() * 15).then(() => ask(sessions, cookie, userOf))
      await inParallel(60, 12, async (i) => {
        const session = await express.get(sid)
        if (session === null) return void ended++
        const field = `field${i}` as const
        Object.assign(session, { [field]: i })
        try {
          await express.set(sid, session)
          acknowledged++
          written[field] = i
        } catch (error) {
          assert.ok(error instanceof SessionEndedError, String(error))
          ended++
        }
      })
      const { token, said } = await adopting
      assert.equal(said, '7')
      assert.deepEqual((await sessions.load(token as string))?.data, { ...ADA, ...written })
      rounds++
    }
    t.diagnostic(`${acknowledged} acknowledged, ${ended} told that the session has ended, ${rounds} adoptions`)
    assert.ok(ended > 100, 'few came while there was no session any more: this proves nothing')
    await check(rounds)
  })

  it('is for good: nobody who holds a copy of the old session can begin it again', async () => {
    const { store, old, prefixes, check } = await stores()
    const express = new CoatcheckStore({ client: redis.client, prefix: prefixes[1] })
    const sessions = open(store, old, { grace: '1s' })
    const { sid, id, cookie } = await beginOld(old, ADA)
    const copy = { ...(await express.get(sid))! }
    const { token } = await ask(sessions, cookie, userOf)
    const key = keysOf(prefixes[1], id).session
    const until = Number(await redis.client.hGet(key, '_adopted_until'))
    for (const inGrace of [true, false]) {
      if (!inGrace) await passes(redis.client, until)
      await assert.rejects(express.set(sid, copy), SessionEndedError)
      assert.equal(await express.get(sid), null)
      assert.equal((await ask(sessions, cookie, userOf)).said, inGrace ? '7' : null)
    }
    assert.ok((await redis.client.pTTL(key)) > 50 * 60_000)
    await sessions.destroy(token as string)
    await check(0)
  })

  it('ends with the logout of what it began, also while the old cookie is still served', async () => {
    const { store, old, check } = await stores()
    const sessions = open(store, old, { grace: '5m' })
    const { cookie } = await beginOld(old, ADA)
    const { token } = await ask(sessions, cookie, userOf)
    await ask(sessions, `sid=${token}; ${cookie}`, (session) => session.logout())
    for (let i = 0; i < 3; i++) {
      const { said, setCookie } = await ask(sessions, cookie, ({ userId, ended }) => ({ userId, ended }))
      assert.deepEqual([said, setCookie], [{ userId: null, ended: false }, null])
    }
    await check(0)
  })

  it('ends with the logout by a request that has the old cookie alone, and serves it again through no other', async () => {
    const { store, old, check } = await stores()
    const sessions = open(store, old, { grace: '5m' })
    const { cookie } = await beginOld(old, ADA)
    const { token } = await ask(sessions, cookie, userOf)
    await ask(sessions, cookie, (session) => session.logout())
    assert.equal(await sessions.load(token as string), null)
    assert.equal((await ask(sessions, cookie, userOf)).said, null)
    await check(0)
  })

  it('gives way to a logout at an instance of express-session that comes in between', async () => {
    const { store, old, prefixes, check } = await stores()
    const express = new CoatcheckStore({ client: redis.client, prefix: prefixes[1] })
    const [arrived, gate] = [deferred(), deferred()]
    const slow = altered(old, {
      release: async (...args: Parameters<SessionStore['release']>) => {
        arrived.resolve()
        await gate.promise
        return old.release(...args)
      },
    })
    const sessions = open(store, slow)
    const { sid, cookie } = await beginOld(old, ADA)
    const adopting = ask(sessions, cookie, userOf)
    await arrived.promise
    await express.destroy(sid)
    gate.resolve()
    const { said, setCookie } = await adopting
    assert.deepEqual([said, setCookie], [null, null])
    await check(0)
  })

  it('that dies in between is done again by the next request, once its seal has lapsed', async () => {
    const { store, old, prefixes, check } = await stores()
    const { id, cookie } = await beginOld(old, ADA)
    // As if it had died: what it has begun stays, and nobody has its token.
    const deaf = altered(store, { destroy: () => Promise.reject(new Error('The process has died.')) })
    assert.equal(await codeOf(ask(open(deaf, dying(old)), cookie, userOf)), 'ERR_STORE_UNAVAILABLE')
    const key = keysOf(prefixes[1], id).session
    await passes(redis.client, Number(await redis.client.hGet(key, '_sealed_until')))
    const sessions = open(store, old)
    const { said, token } = await ask(sessions, cookie, ({ userId, data }) => ({ userId, cart: data.cart }))
    assert.deepEqual(said, { userId: '7', cart: ADA.cart })
    assert.notEqual(await sessions.load(token as string), null)
    await check(2)
  })

  it('that took longer than its seal serves what another has begun meanwhile, and leaves no second session', async () => {
    const { store, old, check } = await stores()
    const [arrived, gate] = [deferred(), deferred()]
    const slow = altered(store, {
      create: async (...args: Parameters<SessionStore['create']>) => {
        const reply = await store.create(...args)
        arrived.resolve()
        await gate.promise
        return reply
      },
    })
    const { cookie } = await beginOld(old, ADA)
    const late = ask(open(slow, old), cookie, ({ id }) => id)
    await arrived.promise
    // Waits for the seal to lapse.
    const other = await ask(open(store, old), cookie, ({ id }) => id)
    gate.resolve()
    const { said, token } = await late
    assert.deepEqual([said, token], [other.said, null])
    await check(1)
  })

  it('that never gets its seal to hold says so, and leaves the old session as it was', async () => {
    const { store, old, check } = await stores()
    const { id, cookie } = await beginOld(old, ADA)
    const lapsing = altered(old, { release: async () => ({ status: 'lapsed' }) as const })
    assert.equal(await codeOf(ask(open(store, lapsing), cookie, userOf)), 'ERR_STORE_TIMEOUT')
    assert.deepEqual(await store.count(call()), { guests: 0, members: 0 })
    assert.equal((await ask(open(store, old, {}, { storeTimeout: '1s' }), cookie, userOf)).said, '7')
    assert.equal((await old.destroy({ id, userId: null }, NOTE, call())).status, 'ended')
    await check(1)
  })

  it('is followed to where its session has been rotated, and nowhere once the user has logged in anew', async () => {
    const { store, old } = await stores()
    const sessions = open(store, old, { grace: '5m' }, { rotationGrace: '5m', rotateEvery: 1 })
    const { cookie } = await beginOld(old, ADA)
    const { token } = await ask(sessions, cookie, userOf)
    const { token: rotated } = await sessions.rotate(token as string)
    const followed = await ask(sessions, cookie, ({ id }) => id)
    assert.equal((await sessions.load(rotated as string))?.id, followed.said)
    // Not even a rotation that is due hands a token to the old cookie.
    assert.equal(followed.setCookie, null)
    assert.equal((await ask(sessions, cookie, (session) => session.rotate())).setCookie, null)
    await ask(sessions, `sid=${rotated}`, (session) => session.login('grace'))
    assert.equal((await ask(sessions, cookie, userOf)).said, null)
  })

  for (const script of ['seal', 'create', 'release'] as const) {
    for (const [what, then] of [
      ['request', 'break'],
      ['reply', 'break'],
      ['reply', 'silence'],
      ['request', 'silence'],
    ] as const) {
      it(`logs nobody out: the ${what} of ${script} lost in a ${then}`, async (t) => {
        const { store, old, prefixes, areConsistent } = await stores()
        const proxy = await startLossyProxy(t, redis.server.port)
        const url = `redis://127.0.0.1:${proxy.port}`
        const client = await redis.server.connect({ url, socket: { reconnectStrategy: 20 } })
        t.after(() => client.destroy())
        const ways = prefixes.map((prefix, i) => redisStore(client, { prefix, monitoring: i === 0 }))
        const far = open(ways[0]!, ways[1]!, {}, { storeTimeout: then === 'silence' ? 1000 : '20s' })
        const near = open(store, old)
        // The server knows all scripts: else it is the answer NOSCRIPT that is lost.
        await ask(near, (await beginOld(old, { passport: { user: 8 } })).cookie, userOf)
        const { cookie } = await beginOld(old, ADA)
        const lost = proxy.lose(what, scripts[script].sha1, then)
        const silent = lost.then(() => proxy.breakSilent())
        const outcome = await ask(far, cookie, userOf).then(
          ({ said, token }) => ({ said, token }),
          (error: unknown) => (error instanceof StoreError ? error.code : error),
        )
        await silent
        if (typeof outcome === 'string') {
          // Told so, and the browser comes again with what it has, once the seal has lapsed.
          assert.match(outcome, /^ERR_STORE_/)
          assert.notEqual(script, 'release')
          assert.equal((await ask(near, cookie, userOf)).said, '7')
        } else {
          const { said, token } = outcome as { said: string; token: string }
          assert.equal(said, '7')
          assert.equal((await near.load(token))?.userId, '7')
        }
        await areConsistent()
      })
    }
  }

  it('fails with a 503 while the old store is away, and is done afterwards; whoever has a token notices nothing', async (t) => {
    const { store, old, prefixes, check } = await stores()
    const proxy = await startLossyProxy(t, redis.server.port)
    const url = `redis://127.0.0.1:${proxy.port}`
    const client = await redis.server.connect({ url, socket: { reconnectStrategy: 20 } })
    t.after(() => client.destroy())
    const sessions = open(
      store,
      redisStore(client, { prefix: prefixes[1], monitoring: false }),
      {},
      { storeTimeout: 300 },
    )
    const { token } = await sessions.create({}, { userId: '8' })
    const { cookie } = await beginOld(old, ADA)
    await proxy.refuse(true)
    const failure = await ask(sessions, cookie, userOf).catch((error: unknown) => error)
    assert.ok(failure instanceof StoreError && failure.status === 503, String(failure))
    assert.equal((await ask(sessions, `sid=${token}; ${cookie}`, userOf)).said, '8')
    assert.equal((await ask(sessions, `connect.sid=${signed('x', 'forged')}`, userOf)).said, null)
    await proxy.refuse(false)
    await eventually(async () => (await ask(sessions, cookie, userOf).catch(() => null))?.said === '7')
    await check(2)
  })
})

describe('an adoption without memory', { timeout: 60_000 }, () => {
  const redis = useRedis()
  const limit = (bytes: number) =>
    redis.client.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: String(bytes) })

  it('is refused as a whole, and done when there is memory', async () => {
    const [store, old] = [newPrefix(), newPrefix()].map((prefix) => redisStore(redis.client, { prefix }))
    const sessions = open(store!, old!)
    const { cookie } = await beginOld(old!, ADA)
    await limit(1)
    assert.equal(await codeOf(ask(sessions, cookie, userOf)), 'ERR_STORE_FULL')
    await limit(0)
    const { said } = await ask(sessions, cookie, ({ userId, data }) => [userId, data.cart])
    assert.deepEqual(said, ['7', ADA.cart])
  })

  it('is released as a whole when memory ends in the middle', async () => {
    const [store, real] = [newPrefix(), newPrefix()].map((prefix) => redisStore(redis.client, { prefix }))
    const old = altered(real!, {
      release: async (...args: Parameters<SessionStore['release']>) => {
        await limit(1)
        const reply = await real!.release(...args)
        await limit(0)
        return reply
      },
    })
    const sessions = open(store!, old)
    const { cookie } = await beginOld(old, ADA)
    const first = await ask(sessions, cookie, ({ id }) => id)
    const second = await ask(sessions, cookie, ({ id }) => id)
    assert.deepEqual([first.said, first.token === null, second.token], [second.said, false, null])
  })
})
