import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { RequestCounts } from '../../src/core/request-counts.ts'
import type { Sessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { altered } from '../adapter-contract/bench.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { eventually, inParallel } from '../support/http.ts'
import { Browser, type Data, idOf, keepsData, onEveryStore, sessionsOn } from './world.ts'

const TEST = { timeout: 60_000 }

/** Waits for the store to have been told of so many requests, and of no more. */
async function assertCounted(sessions: Sessions<Data>, browser: Browser, requests: number): Promise<void> {
  const counted = async () => (await sessions.peek(browser.token ?? ''))?.requestCount
  await eventually(async () => ((await counted()) ?? 0) >= requests)
  await pause(20)
  assert.equal(await counted(), requests)
}

onEveryStore('with a touch for every request', (open) => {
  const EVERY = { touchInterval: 0 }

  it('each sees how many came before, and itself', TEST, async (t) => {
    const { here } = await open(t, EVERY)
    const ada = new Browser(here)
    assert.equal((await ada.visit((session) => session.requestCount)).result, 0)
    await ada.visit(keepsData)
    for (let n = 2; n < 6; n++) {
      assert.equal((await ada.visit((session) => session.requestCount)).result, n)
      await assertCounted(here, ada, n)
    }
  })

  it('each tells the same from its beginning to its end, whatever it writes', TEST, async (t) => {
    const { here } = await open(t, EVERY)
    const ada = new Browser(here)
    const { result: first } = await ada.visit(async (session) => {
      keepsData(session)
      await session.commit()
      return session.requestCount
    })
    assert.equal(first, 1)
    const { result } = await ada.visit(async (session) => {
      const counts = [session.requestCount]
      await session.increment('views')
      counts.push(session.requestCount)
      session.data.name = 'Grace'
      await session.commit()
      counts.push(session.requestCount)
      await session.rotate()
      return [...counts, session.requestCount]
    })
    assert.deepEqual(result, [2, 2, 2, 2])
    await assertCounted(here, ada, 2)
  })

  const WRITES: Record<string, (browser: Browser) => Promise<unknown>> = {
    nothing: (ada) => ada.visit(),
    'data that is committed at the end': (ada) =>
      ada.visit((session) => {
        session.data.views = (session.data.views ?? 0) + 1
      }),
    'an increment': (ada) => ada.visit((session) => session.increment('views')),
    'several increments': (ada) =>
      ada.visit(async (session) => {
        await session.increment('views')
        await session.increment('views')
      }),
    'an update': (ada) => ada.visit((session) => session.update('views', (views = 0) => views + 1)),
    'a rotation': (ada) => ada.visit((session) => session.rotate()),
    'other roles': (ada) => ada.visit((session) => session.setRoles(['admin'])),
    'a login of the same user': (ada) => ada.login('ada'),
    'a shorter idle timeout': (ada) => ada.visit((session) => session.setIdleTimeout('10m')),
  }
  for (const [what, write] of Object.entries(WRITES)) {
    it(`a request is counted once that writes ${what}`, TEST, async (t) => {
      const { here } = await open(t, EVERY)
      const ada = new Browser(here)
      await ada.login('ada')
      await ada.visit()
      await assertCounted(here, ada, 2)
      await write(ada)
      await assertCounted(here, ada, 3)
      await write(ada)
      await ada.visit()
      await assertCounted(here, ada, 5)
    })
  }

  it('requests at once are all counted, in two processes', TEST, async (t) => {
    const { here, there } = await open(t, EVERY)
    const ada = new Browser(here)
    await ada.visit(keepsData)
    await inParallel(200, 20, async (i) => {
      const at = i % 2 ? here : there
      await ada.visit(i % 5 ? undefined : (session) => session.increment('views'), { at })
    })
    await assertCounted(here, ada, 201)
  })

  it('the first request of a login is the first of its session', TEST, async (t) => {
    const { here } = await open(t, EVERY)
    const ada = new Browser(here)
    await ada.visit(keepsData)
    await ada.visit()
    const { result } = await ada.visit(async (session) => {
      await session.login('ada')
      return session.requestCount
    })
    assert.equal(result, 1)
    await assertCounted(here, ada, 1)
    assert.equal((await ada.visit((session) => session.requestCount)).result, 2)
    // Another user's session is another session.
    await ada.login('grace')
    await assertCounted(here, ada, 1)
  })

  it('the last access is that of the last request', TEST, async (t) => {
    const { here } = await open(t, EVERY)
    const ada = new Browser(here)
    await ada.visit(keepsData)
    const at = async () => (await here.peek(ada.token ?? ''))?.lastAccessedAt ?? 0
    for (let i = 0; i < 3; i++) {
      const before = await at()
      await pause(5)
      const { result } = await ada.visit((session) => session.lastAccessedAt)
      assert.equal(result, before)
      await eventually(async () => (await at()) >= before + 5)
    }
  })

  it('a request that is no activity is not counted, unless it writes', TEST, async (t) => {
    const { here } = await open(t, EVERY)
    const ada = new Browser(here)
    await ada.visit(keepsData)
    const before = await here.peek(ada.token ?? '')
    for (let i = 0; i < 3; i++) await ada.visit(idOf, { touch: false })
    await pause(20)
    assert.deepEqual(await here.peek(ada.token ?? ''), before)
    await ada.visit((session) => session.increment('views'), { touch: false })
    await ada.visit((session) => session.update('views', () => 7), { touch: false })
    await assertCounted(here, ada, 3)
  })

  it('a load without a request counts as one, looking does not', TEST, async (t) => {
    const { here } = await open(t, EVERY)
    const { token, id } = await here.create()
    await here.load(token)
    await here.load(token)
    for (const look of [here.peek(token), here.find(id), here.recent()]) await look
    assert.equal((await here.find(id))?.requestCount, 2)
  })
})

onEveryStore('with a touch now and then', (open) => {
  it('requests are counted within the interval, also over a rotation', TEST, async (t) => {
    const { here } = await open(t, { touchInterval: 300 })
    const ada = new Browser(here)
    await ada.visit(keepsData)
    for (let i = 0; i < 4; i++) await ada.visit()
    await ada.visit((session) => session.rotate())
    // What the store has not heard of is known here.
    assert.equal((await ada.visit((session) => session.requestCount)).result, 7)
    const counted = async () => (await here.peek(ada.token ?? ''))?.requestCount
    const least = (await counted()) ?? 0
    assert.ok(least >= 1 && least <= 7)
    await pause(310)
    await ada.visit()
    await eventually(async () => (await counted()) === 8)
  })

  it('a write tells of those before it', TEST, async (t) => {
    const { here } = await open(t)
    const ada = new Browser(here)
    await ada.visit(keepsData)
    for (let i = 0; i < 4; i++) await ada.visit()
    assert.equal((await here.peek(ada.token ?? ''))?.requestCount, 1)
    await ada.visit((session) => session.increment('views'))
    assert.equal((await here.peek(ada.token ?? ''))?.requestCount, 6)
  })
})

describe('counting requests', () => {
  const redis = useRedis()

  it('costs no command: one to read, two to write', TEST, async (t) => {
    const sent: string[] = []
    const onCommand = (words: readonly string[]) => sent.push(words[0] ?? '')
    const sessions = sessionsOn(redisStore(redis.client, { prefix: newPrefix(), onCommand }))
    t.after(() => sessions.close())
    const ada = new Browser(sessions)
    await ada.visit(keepsData)
    await ada.visit((session) => session.increment('views'))
    await ada.visit((session) => session.update('views', () => 1))
    sent.length = 0
    for (let i = 0; i < 3; i++) await ada.visit()
    assert.deepEqual(sent.splice(0), ['HGETALL', 'HGETALL', 'HGETALL'])
    await ada.visit((session) => session.increment('views'))
    assert.deepEqual(sent.splice(0), ['HGETALL', 'EVALSHA'])
    await ada.visit((session) => session.update('views', () => 2))
    assert.deepEqual(sent.splice(0), ['HGETALL', 'EVALSHA'])
    await ada.visit(keepsData)
    assert.deepEqual(sent.splice(0), ['HGETALL'])
  })

  it('keeps what the store could not be told of for the next time', TEST, async () => {
    const store = memoryStore()
    let fails = true
    const touch: typeof store.touch = (...args) => (fails ? Promise.reject(new Error('away')) : store.touch(...args))
    const sessions = sessionsOn(altered(store, { touch }), { touchInterval: 0 })
    const { token } = await sessions.create()
    await sessions.load(token)
    await sessions.load(token)
    assert.equal((await sessions.peek(token))?.requestCount, 0)
    fails = false
    await sessions.load(token)
    assert.equal((await sessions.peek(token))?.requestCount, 3)
    await sessions.close()
  })

  it('leaves nothing of 100,000 sessions seen once after two intervals', () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const counts = new RequestCounts(60_000)
      for (let i = 0; i < 100_000; i++) counts.add(`id ${i}`)
      assert.equal(counts.size, 100_000)
      mock.timers.tick(60_000)
      // What is still in use stays, with what it had.
      counts.add('id 7')
      assert.deepEqual([counts.of('id 7'), counts.of('id 8')], [2, 1])
      mock.timers.tick(60_000)
      assert.deepEqual([counts.size, counts.of('id 7'), counts.of('id 8')], [1, 2, 0])
      mock.timers.tick(60_000)
      assert.equal(counts.size, 0)
      // And it begins anew.
      counts.add('id 9')
      assert.equal(counts.take('id 9'), 1)
      assert.equal(counts.take('id 9'), 0)
    } finally {
      mock.timers.reset()
    }
  })
})
