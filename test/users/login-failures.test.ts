import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoginRevokedError, type SessionStore, StoreError, UserLimitError } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { altered } from '../adapter-contract/bench.ts'
import { startLossyProxy } from '../fire/lossy-proxy.ts'
import { passes, timeOf } from '../fire/redis-time.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { keysOf, newPrefix, useRedis } from '../redis/support.ts'
import { deferred } from '../support/http.ts'
import { anonymous, Browser, codeOf, open } from './support.ts'

const CART = { name: 'Ada', cart: ['tea'] }

describe('a login that does not succeed', { timeout: 60_000, concurrency: 4 }, () => {
  const redis = useRedis()

  it('since the user has too many sessions leaves the visitor with the old one, at once', async () => {
    const prefix = newPrefix()
    // No time to wait for a seal to lapse.
    const sessions = open(redisStore(redis.client, { prefix }), {
      maxPerUser: { limit: 1, whenFull: 'refuse' },
      storeTimeout: '1s',
    })
    await sessions.create({}, { userId: 'ada' })
    const browser = await anonymous(sessions, CART)
    const before = browser.token
    await assert.rejects(
      browser.request((session) => session.login('ada')),
      UserLimitError,
    )
    assert.equal(browser.token, before)
    const { id } = (await sessions.load(before as string)) ?? assert.fail()
    const fields = await redis.client.hKeys(keysOf(prefix, id).session)
    assert.deepEqual(
      fields.filter((field) => field.startsWith('_')),
      [],
    )
    await sessions.increment(before as string, 'views')
    // In the same request too.
    await browser.request(async (session) => {
      session.data.secret = 'unsaved'
      await assert.rejects(session.login('ada'), UserLimitError)
      assert.deepEqual([session.userId, session.data], [null, { ...CART, views: 1, secret: 'unsaved' }])
    })
    assert.deepEqual((await sessions.load(before as string))?.data, { ...CART, views: 1, secret: 'unsaved' })
    await assertConsistent(redis.client, prefix)
  })

  it('since the user was logged out everywhere meanwhile leaves the visitor with the old one, at once', async () => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }), { storeTimeout: '1s' })
    const browser = await anonymous(sessions, CART)
    await assert.rejects(
      browser.request(async (session) => {
        await sessions.user('ada').revokeAll()
        await session.login('ada')
      }),
      LoginRevokedError,
    )
    await sessions.increment(browser.token as string, 'views')
    assert.deepEqual((await sessions.load(browser.token as string))?.data, { ...CART, views: 1 })
    await assertConsistent(redis.client, prefix)
  })

  it('is none after its own request has logged the user out everywhere, as when the password is changed', async () => {
    const sessions = open(redisStore(redis.client, { prefix: newPrefix() }))
    const [here, elsewhere] = [await anonymous(sessions), await anonymous(sessions)]
    for (const browser of [here, elsewhere]) await browser.request((session) => session.login('ada'))
    await here.request(async (session) => {
      assert.equal(await session.revokeAll(), 2)
      await session.login('ada')
    })
    assert.equal((await sessions.load(here.token as string))?.userId, 'ada')
    assert.equal(await sessions.load(elsewhere.token as string), null)
  })

  it('since it took longer than its seal leaves the visitor with the old one and all that others wrote to it', async () => {
    const prefix = newPrefix()
    const gate = deferred()
    const arrived = deferred()
    const real = redisStore(redis.client, { prefix })
    // As when the answer to create is long on its way.
    const slow = altered(real, {
      create: async (...args: Parameters<SessionStore['create']>) => {
        const reply = await real.create(...args)
        arrived.resolve()
        await gate.promise
        return reply
      },
    })
    const [near, far] = [open(real), open(slow)]
    const { token } = await near.create(CART)
    const browser = new Browser(far, token)
    const login = codeOf(browser.request((session) => session.login('ada')))
    await arrived.promise
    assert.equal((await near.user('ada').list()).length, 1)
    // Waits for the seal to lapse.
    assert.equal(await near.increment(token, 'views'), 1)
    gate.resolve()
    assert.equal(await login, 'ERR_STORE_TIMEOUT')
    assert.equal(browser.token, token)
    assert.deepEqual((await near.load(token))?.data, { ...CART, views: 1 })
    assert.equal((await near.load(token))?.userId, null)
    assert.deepEqual(await near.user('ada').list(), [])
    // And now it succeeds.
    await new Browser(near, token).request((session) => session.login('ada'))
    assert.equal(await near.load(token), null)
    await assertConsistent(redis.client, prefix)
  })

  it('since another login took the session over when the seal had lapsed leaves that one alone', async () => {
    const prefix = newPrefix()
    const gates = [deferred(), deferred()]
    const arrived = [deferred(), deferred()]
    const real = redisStore(redis.client, { prefix })
    const slow = (i: number) =>
      altered(real, {
        create: async (...args: Parameters<SessionStore['create']>) => {
          const reply = await real.create(...args)
          arrived[i]?.resolve()
          await gates[i]?.promise
          return reply
        },
      })
    const sessions = open(real)
    const { token } = await sessions.create(CART)
    const [first, second] = [0, 1].map((i) => new Browser(open(slow(i)), token)) as [Browser, Browser]
    const firstLogin = codeOf(first.request((session) => session.login('ada')))
    await arrived[0]?.promise
    const secondLogin = second.request((session) => session.login('grace'))
    // Once the seal of the first has lapsed, the second has its own.
    await arrived[1]?.promise
    gates[0]?.resolve()
    assert.equal(await firstLogin, 'ERR_STORE_TIMEOUT')
    gates[1]?.resolve()
    await secondLogin
    const session = (await sessions.load(second.token as string)) ?? assert.fail()
    assert.deepEqual([session.userId, session.data], ['grace', CART])
    assert.deepEqual(await sessions.user('ada').list(), [])
    assert.equal(await sessions.load(token), null)
    await assertConsistent(redis.client, prefix)
  })

  for (const script of ['seal', 'create', 'release'] as const) {
    for (const [what, then] of [
      ['request', 'break'],
      ['reply', 'break'],
      ['reply', 'silence'],
      ['request', 'silence'],
    ] as const) {
      it(`loses nothing: the ${what} of ${script} lost in a ${then}`, async (t) => {
        const prefix = newPrefix()
        const proxy = await startLossyProxy(t, redis.server.port)
        const client = await redis.server.connect({
          url: `redis://127.0.0.1:${proxy.port}`,
          socket: { reconnectStrategy: 20 },
        })
        t.after(() => client.destroy())
        const near = open(redisStore(redis.client, { prefix }))
        const far = open(redisStore(client, { prefix }), { storeTimeout: then === 'silence' ? 1000 : '20s' })
        // The server knows all scripts: else it is the answer NOSCRIPT that is lost.
        await (await anonymous(near)).request((session) => session.login('grace'))
        const browser = await anonymous(near, CART)
        const before = browser.token as string
        const visitor = new Browser(far, before)
        const lost = proxy.lose(what, scripts[script].sha1, then)
        const silent = lost.then(() => proxy.breakSilent.bind(proxy))
        const outcome = await visitor
          .request((session) => session.login('ada'))
          .then(
            () => 'done',
            (error: unknown) => error,
          )
        ;(await silent)()
        assert.equal(outcome === 'done', script === 'release', String(outcome))
        if (outcome === 'done') {
          const session = (await near.load(visitor.token as string)) ?? assert.fail()
          assert.deepEqual([session.userId, session.data], ['ada', CART])
          // If Redis was never told, it goes on as it was.
          const old = await near.load(before)
          assert.equal(old?.userId ?? null, null)
          assert.equal(old === null, `${what} ${then}` !== 'request silence')
        } else {
          assert.ok(outcome instanceof StoreError, String(outcome))
          assert.equal(outcome.outcome, 'unknown')
          assert.equal(visitor.token, before)
          // Waits for the seal to lapse, where it was not given back.
          await near.increment(before, 'views')
          assert.deepEqual((await near.load(before))?.data, { ...CART, views: 1 })
        }
        await assertConsistent(redis.client, prefix)
      })
    }
  }

  it('leaves nothing sealed for longer than two seconds', async () => {
    const prefix = newPrefix()
    const real = redisStore(redis.client, { prefix })
    const crashed = altered(real, { create: () => new Promise(() => {}) })
    const { token, id } = await open(real).create(CART)
    const key = keysOf(prefix, id).session
    const before = await timeOf(redis.client)
    // As if the process had died: the seal is not given back either.
    const sessions = open(altered(crashed, { seal: onlyTheFirst(real) }), { storeTimeout: 300 })
    const login = codeOf(new Browser(sessions, token).request((session) => session.login('ada')))
    assert.equal(await login, 'ERR_STORE_TIMEOUT')
    const until = Number(await redis.client.hGet(key, '_sealed_until'))
    assert.ok(until >= before + 2000 && until <= (await timeOf(redis.client)) + 2000)
    await passes(redis.client, until)
    await open(real, { storeTimeout: 1000 }).increment(token, 'views')
    await assertConsistent(redis.client, prefix)
  })

  for (const end of ['destroy', 'revoke', 'logout'] as const) {
    it(`does not keep anybody from ending the session that it had sealed: ${end}`, async () => {
      const prefix = newPrefix()
      const real = redisStore(redis.client, { prefix })
      for (const userId of [null, 'ada']) {
        const sessions = open(real, { storeTimeout: 300 })
        const { token, id } = await sessions.create(CART, userId === null ? {} : { userId })
        const crashed = altered(real, { create: () => new Promise(() => {}), seal: onlyTheFirst(real) })
        const dying = new Browser(open(crashed, { storeTimeout: 300 }), token)
        assert.equal(await codeOf(dying.request((session) => session.login('grace'))), 'ERR_STORE_TIMEOUT')
        if (end === 'destroy') assert.equal(await sessions.destroy(token), true)
        else if (end === 'revoke') assert.equal(await sessions.revoke(id), true)
        else await new Browser(sessions, token).request((session) => session.logout())
        assert.equal(await sessions.load(token), null)
        await assertConsistent(redis.client, prefix)
      }
    })
  }
})

/** A process that dies before it can give the seal back. */
function onlyTheFirst(store: SessionStore): SessionStore['seal'] {
  let first = true
  return async (...args) => {
    if (!first) throw new Error('The process has died.')
    first = false
    return store.seal(...args)
  }
}
