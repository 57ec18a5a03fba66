import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LoginRevokedError, type SessionStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { inParallel } from '../support/http.ts'
import { type Attempt, assertTold, loginByToken, round } from './logout-rounds.ts'
import { anonymous, Browser, distant, open, slowWay } from './support.ts'

const ROUNDS = 200
const LOGINS = 20

describe('logging out everywhere', { timeout: 240_000 }, () => {
  const redis = useRedis()

  it('leaves no session whose login began before it, on Redis over connections that are slow at random', async (t) => {
    const prefix = newPrefix()
    const ways = await Promise.all(Array.from({ length: LOGINS }, () => slowWay(t, redis.server, prefix)))
    const sides = ways.map(({ store }) => open(store))
    const tally = { refused: 0, ended: 0, alive: 0 }
    await inParallel(ROUNDS, 20, async (i) => {
      for (const { proxy } of ways) proxy.setDelay(Math.random() * 40)
      await round(`user ${i}`, sides, 200, tally)
      if (i % 20 === 0) await assertConsistent(redis.client, prefix)
    })
    t.diagnostic(JSON.stringify(tally))
    assertTold(tally, ROUNDS)
    await assertConsistent(redis.client, prefix)
  })

  it('leaves no session whose login began before it, in memory', async (t) => {
    // One store, which all sides reach after a while.
    const store = memoryStore()
    const sides = Array.from({ length: LOGINS }, () => open(distant(8, store)))
    const tally = { refused: 0, ended: 0, alive: 0 }
    await inParallel(ROUNDS, 8, (i) => round(`user ${i}`, sides, 40, tally))
    t.diagnostic(JSON.stringify(tally))
    assertTold(tally, ROUNDS)
  })

  for (const [where, openStore] of [
    ['Redis', () => redisStore(redis.client, { prefix: newPrefix() })],
    ['memory', () => memoryStore()],
  ] as const) {
    it(`never refuses a login that begins when it is done, in the same process, on ${where}`, async () => {
      await logOutAndIn(openStore())
    })
  }

  it('never refuses a login that begins when it is done, in the same process, over a slow connection', async (t) => {
    const { store, proxy } = await slowWay(t, redis.server, newPrefix())
    await logOutAndIn(store, () => proxy.setDelay(Math.random() * 4))
  })

  it('ends though logins come faster than Redis answers, with none left that began before', async () => {
    const prefix = newPrefix()
    const near = open(redisStore(redis.client, { prefix }))
    const during: Attempt[] = []
    // When Redis had first carried out a step.
    let effective = Number.POSITIVE_INFINITY
    // Whenever a step is to be taken, somebody logs in just before: no list is ever up to date.
    const client = new Proxy(redis.client, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (name !== 'sendCommand') return typeof value === 'function' ? value.bind(target) : value
        return async (words: readonly string[], options: object) => {
          if (!words.includes(scripts.revoke_user.sha1)) return target.sendCommand(words as string[], options)
          during.push(await loginByToken(near, 'ada', 0))
          const reply = await target.sendCommand(words as string[], options)
          if (String(reply).startsWith('ok')) effective = Math.min(effective, performance.now())
          return reply
        }
      },
    })
    const far = open(redisStore(client, { prefix }), { storeTimeout: '5s' })
    const before = await Promise.all([1, 2, 3].map(() => near.create({}, { userId: 'ada' })))
    const ended = await far.user('ada').revokeAll()
    const alive = await Promise.all(during.map(({ token }) => near.load(token as string)))
    assert.equal(ended, before.length + alive.filter((session) => session === null).length)
    for (const [i, { begun }] of during.entries()) assert.ok(begun > effective || alive[i] === null, `${i} is alive`)
    for (const { token } of before) assert.equal(await near.load(token), null)
    await assertConsistent(redis.client, prefix)
  })

  it('counts a login from when its request came, before the session was read', async (t) => {
    const prefix = newPrefix()
    const { store, proxy } = await slowWay(t, redis.server, prefix)
    const [near, far] = [open(redisStore(redis.client, { prefix })), open(store)]
    const browser = await anonymous(far)
    proxy.pause()
    const login = browser.request((session) => session.login('ada'))
    await near.user('ada').revokeAll()
    proxy.resume()
    await assert.rejects(login, LoginRevokedError)
    assert.deepEqual(await near.user('ada').list(), [])
  })

  it('refuses also a login of the very request that asked for it by the id of a user, and takes the next', async () => {
    const sessions = open(redisStore(redis.client, { prefix: newPrefix() }))
    const browser = new Browser(sessions)
    await browser.request((session) => session.login('ada'))
    await assert.rejects(
      browser.request(async (session) => {
        await sessions.user('ada').revokeAll()
        await session.login('ada')
      }),
      LoginRevokedError,
    )
    await browser.request((session) => session.login('ada'))
    assert.equal((await sessions.user('ada').list()).length, 1)
  })
})

async function logOutAndIn(store: SessionStore, between = () => {}): Promise<void> {
  const sessions = open(store)
  const browser = new Browser(sessions)
  for (let i = 0; i < ROUNDS; i++) {
    between()
    assert.equal(await sessions.user('ada').revokeAll(), i === 0 ? 0 : 1)
    if (i % 2 === 0) await sessions.create({}, { userId: 'ada' })
    else await browser.request((session) => session.login('ada'))
  }
  assert.equal((await sessions.user('ada').list()).length, 1)
}
