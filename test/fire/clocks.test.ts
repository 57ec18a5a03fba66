import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { keysOf } from '../redis/support.ts'
import { type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { type App, startApp } from './child.ts'
import { passes, timeOf } from './redis-time.ts'

const HOUR = 3_600_000
const CLOCK = new URL('./shifted-clock.ts', import.meta.url).href
const GRACE = 500

test('two processes whose wall clocks are an hour apart', { timeout: 60_000 }, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  // Neither clock is that of Redis.
  const [behind, ahead] = await Promise.all([start(t, redis, -HOUR / 2), start(t, redis, HOUR / 2)])
  const both = (name: string, ...args: unknown[]) =>
    Promise.all([behind, ahead].map((app) => app.ask('call', name, ...args)))
  const pairs = [
    [behind, ahead],
    [ahead, behind],
  ] as const

  await t.test('know nothing of the real time', async () => {
    for (const [app, shift] of [
      [behind, -HOUR / 2],
      [ahead, HOUR / 2],
    ] as const) {
      const { date, constructed, text } = await app.ask('now')
      for (const told of [date, Date.parse(constructed), Date.parse(text)]) {
        assert.ok(Math.abs(told - Date.now() - shift) < 5000, `${told - Date.now()} instead of ${shift}`)
      }
    }
  })

  for (const [first, second] of pairs) {
    const who = first === behind ? 'the one that is behind' : 'the one that is ahead'

    await t.test(`agree when a session of ${who} expires`, async () => {
      const { token, id } = await first.ask('call', 'create', { a: 1 }, { idleTimeout: 800 })
      const [one, other] = await both('peek', token)
      assert.deepEqual(one, other)
      assert.equal(one.expiresAt, await client.pExpireTime(keysOf('session:', id).session))
      await changesAt(client, one.expiresAt, async () => {
        const found = await both('peek', token)
        return { before: found.every((session) => session?.id === id), after: found.every(isNull) }
      })
      assert.deepEqual(await both('timeToLive', token), [null, null])
    })

    await t.test(`agree when a session of ${who} comes to its deadline, however often it is used`, async () => {
      const { token, id } = await first.ask('call', 'create', {}, { idleTimeout: 1000, lifetime: 1000 })
      const [{ deadline, createdAt }] = await both('peek', token)
      assert.equal(deadline - createdAt, 1000)
      await changesAt(client, deadline, async () => {
        // One touches, the other one sees it.
        const touched = await first.ask('call', 'touch', token)
        const found = await second.ask('call', 'peek', token)
        return { before: touched && found?.id === id && found.deadline === deadline, after: !touched && found === null }
      })
    })

    await t.test(`agree whether a touch is due, begun by ${who}`, async () => {
      // Due every second: a twentieth.
      const { token } = await first.ask('call', 'create', {}, { idleTimeout: '20s' })
      const [{ lastAccessedAt: begun }] = await both('peek', token)
      await Promise.all([behind, ahead].map((app) => app.ask('commands')))
      await both('load', token)
      for (const app of [behind, ahead]) assert.deepEqual(await app.ask('commands'), ['HGETALL'])

      await passes(client, begun + 1000)
      const { lastAccessedAt: touched } = await second.ask('call', 'load', token)
      assert.ok(touched >= begun + 1000)
      assert.ok((await second.ask('commands')).some((word: string) => word.startsWith('EVAL')))
      await first.ask('call', 'load', token)
      assert.deepEqual(await first.ask('commands'), ['HGETALL'])
      const found = await both('peek', token)
      assert.deepEqual(
        found.map(({ lastAccessedAt, expiresAt }) => [lastAccessedAt, expiresAt]),
        Array(2).fill([touched, touched + 20_000]),
      )
    })

    await t.test(`agree when the grace after a rotation by ${who} is over`, async () => {
      const { token, id: old } = await first.ask('call', 'create', { n: 0 })
      const { token: next, id } = await first.ask('call', 'rotate', token)
      const graceUntil = Number(await client.hGet(keysOf('session:', old).session, '_grace_until'))
      assert.ok(graceUntil - (await timeOf(client)) <= GRACE)
      let increments = 0
      await changesAt(client, graceUntil, async () => {
        const found = await both('peek', token)
        const n = await second.ask('call', 'increment', token, 'n').catch(() => null)
        if (n !== null) increments++
        return { before: found.every((session) => session?.id === id) && n !== null, after: found.every(isNull) }
      })
      await assert.rejects(second.ask('call', 'increment', token, 'n'), { code: 'ERR_SESSION_ENDED' })
      for (const session of await both('peek', next)) assert.equal(session.data.n, increments)
    })
  }

  await t.test('count and list the same sessions, and tell the same time left', async () => {
    await client.flushAll()
    const created = []
    for (let i = 0; i < 10; i++) {
      const app = i % 2 === 0 ? behind : ahead
      const options = i < 4 ? { idleTimeout: 1500 } : { userId: `user ${i % 3}` }
      created.push(await app.ask('call', 'create', { i }, options))
    }
    const direct = createSessions({ store: redisStore(client) })
    const expiry = Math.max(...(await direct.recent()).filter((s) => s.idleTimeout === 1500).map((s) => s.expiresAt))
    assert.equal((await direct.recent()).length, 10)
    await changesAt(client, expiry, async () => {
      const counts = await both('count')
      return { before: counts.every((count) => count > 6), after: counts.every((count) => count === 6) }
    })
    const [one, other] = await both('recent')
    assert.deepEqual(one, other)
    assert.deepEqual(
      one.map(({ id }: { id: string }) => id).toSorted(),
      created
        .slice(4)
        .map(({ id }) => id)
        .toSorted(),
    )
    const [left, leftToo] = await both('timeToLive', created.at(-1).token)
    assert.ok(Math.abs(left - leftToo) < 1000 && left <= 1_800_000 && left > 1_790_000)
  })

  await t.test('give cookies the same age', async () => {
    for (const app of [behind, ahead]) {
      const reply = await fetch(`${app.url}/note`, { method: 'POST' })
      assert.match(reply.headers.get('set-cookie') ?? '', /^__Host-sid=[\w-]{43}; Max-Age=600; Path=/)
    }
  })
})

function start(t: TestContext, { url: redisUrl }: RedisServer, shift: number): Promise<App> {
  const sessions = { rotationGrace: GRACE, cookie: { maxAge: '10m' } }
  return startApp(t, { redisUrl, sessions }, { execArgv: ['--import', CLOCK], env: { CLOCK_SHIFT: String(shift) } })
}

/** Looks again and again: until Redis's clock shows `instant` it must be as before, and after that millisecond as after. */
async function changesAt(
  client: RedisClient,
  instant: number,
  look: () => Promise<{ before: boolean; after: boolean }>,
) {
  let looksBefore = 0
  while (true) {
    const began = await timeOf(client)
    const { before, after } = await look()
    const ended = await timeOf(client)
    if (ended < instant) {
      assert.ok(before, `${instant - ended} ms too early`)
      looksBefore++
    }
    if (began > instant) {
      assert.ok(after, `${began - instant} ms too late`)
      break
    }
  }
  assert.ok(looksBefore > 0, 'it was over before the first look')
}

function isNull(value: unknown): boolean {
  return value === null
}
