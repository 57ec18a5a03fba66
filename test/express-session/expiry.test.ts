import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Cookie } from 'express-session'
import type { CoatcheckStoreOptions } from '../../src/express-session.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { asJson, ENDED, keyOf, lasting, newStore, plain, read } from './support.ts'

// When sessions end: by their cookie, without one, by their lifetime, and what a touch does about it.

const DAY = 24 * 60 * 60 * 1000

describe('the end of a session', () => {
  const redis = useRedis()
  const open = (options: Omit<CoatcheckStoreOptions, 'client'> = {}) => {
    const prefix = newPrefix()
    const key = keyOf(prefix, 's')
    return {
      store: newStore(redis.client, { prefix, ...options }),
      key,
      field: (name: string) => redis.client.hGet(key, name),
      /** Milliseconds until Redis ends it. */
      left: () => redis.client.pTTL(key),
      keys: () => redis.client.keys(`${prefix}*`),
    }
  }
  const isAbout = (actual: number, expected: number, within = 10_000) =>
    assert.ok(actual <= expected && actual > expected - within, `${actual} ms, not ${expected}`)

  it('is that of its cookie, to the millisecond', async () => {
    const { store, field, left, key } = open()
    for (const ms of [1234, 61_001, 30 * DAY + 7]) {
      const cookie = lasting(ms) as { expires: Date }
      await store.set('s', plain({}, cookie))
      isAbout(await left(), ms, 1000)
      assert.equal(await field('_expires'), String(cookie.expires.getTime()))
      assert.equal((await read(store, 's')).cookie.expires as unknown, cookie.expires.toISOString())
      await redis.client.del(key)
    }
  })

  it('comes within milliseconds where the cookie says so (maxAge: 5)', async () => {
    const { store, keys } = open()
    const cookie = new Cookie()
    cookie.maxAge = 5
    await store.set('s', plain({ a: 1 }, cookie))
    await eventually(async () => (await store.get('s')) === null)
    await eventually(async () => (await keys()).length === 0)
    assert.equal(await store.length(), 0)
    assert.deepEqual(await store.all(), [])
  })

  it('is a day after the last request where the cookie ends with the browser, or as `ttl` says', async () => {
    for (const [options, ms] of [
      [{}, DAY],
      [{ ttl: '2h' }, 2 * 3_600_000],
      [{ ttl: 700_000 }, 700_000],
    ] as const) {
      const { store, left, field } = open(options)
      for (const cookie of [new Cookie(), { originalMaxAge: null, expires: null }, { expires: false }, {}, undefined]) {
        await store.set('s', plain({}, cookie as object))
        isAbout(await left(), ms)
        assert.equal(await field('_expires'), null)
        assert.deepEqual(await store.get('s'), asJson(plain({}, cookie as object)))
      }
    }
  })

  it('has passed for a cookie that has expired: the session is ended, and nothing is begun', async () => {
    const { store, keys } = open()
    await store.set('s', plain({ a: 1 }, lasting(-1)))
    assert.deepEqual(await keys(), [])
    for (const end of ['set', 'touch'] as const) {
      await store.set('s', plain({ a: 1 }, lasting(60_000)))
      const session = await read(store, 's')
      session.cookie = lasting(-1) as never
      await store[end]('s', session)
      assert.equal(await store.get('s'), null)
      assert.equal(await store.length(), 0)
      // Whoever has read it before cannot bring it back; under the same id a new one may begin, as after any expiry.
      session.cookie = lasting(60_000) as never
      await assert.rejects(store.set('s', session), ENDED)
    }
    await store.set('s', plain({ a: 2 }))
    assert.equal((await read(store, 's')).a, 2)
  })

  it('comes by itself, and then nobody who has read the session can set or touch it', async () => {
    const { store } = open()
    await store.set('s', plain({ a: 1 }, lasting(60)))
    const session = await read(store, 's')
    await eventually(async () => (await store.get('s')) === null)
    session.cookie = lasting(60_000) as never
    await assert.rejects(store.touch('s', session), ENDED)
    await assert.rejects(store.set('s', session), ENDED)
    assert.equal(await store.get('s'), null)
  })

  it('is never later than its lifetime, whatever the activity', async () => {
    const { store, left } = open({ lifetime: '1h' })
    await store.set('s', plain({}, lasting(30 * DAY)))
    isAbout(await left(), 3_600_000)
    await store.touch('s', plain({}, lasting(30 * DAY)))
    isAbout(await left(), 3_600_000)
  })

  it('is never later than 400 days after the beginning, unless its cookie says so then', async () => {
    const { store, field } = open()
    const deadline = async () => Number(await field('deadline')) - Number(await field('created_at'))
    await store.set('s', plain({}))
    assert.equal(await deadline(), 400 * DAY)
    await store.touch('s', plain({}, lasting(500 * DAY)))
    assert.equal(await deadline(), 400 * DAY)
    await store.destroy('s')

    const { store: other, field: fieldOfOther } = open()
    const cookie = lasting(500 * DAY)
    await other.set('s', plain({}, cookie))
    const lifetime = Number(await fieldOfOther('deadline')) - Number(await fieldOfOther('created_at'))
    isAbout(lifetime, 500 * DAY)
  })

  it('is far away for a cookie that never ends', async () => {
    const { store, left } = open()
    for (const expires of [new Date('9999-12-31'), new Date(8.64e15)]) {
      await store.set('s', plain({}, { expires }))
      assert.ok((await left()) > 3600 * DAY)
      assert.equal((await read(store, 's')).cookie.expires as unknown, expires.toISOString())
    }
  })
})

describe('a request', () => {
  const redis = useRedis()

  /** A session that is as old as a test says, and what a request does with it that has just read it. */
  async function open(cookie: () => object, options: Omit<CoatcheckStoreOptions, 'client'> = {}) {
    const prefix = newPrefix()
    const store = newStore(redis.client, { prefix, ...options })
    const key = keyOf(prefix, 's')
    await store.set('s', plain({ n: 0 }, cookie()))
    let n = 0
    return {
      /** Milliseconds until Redis ends it. */
      left: () => redis.client.pTTL(key),
      end: () => redis.client.pExpireTime(key),
      /** As if nobody had come with it for so much longer. */
      async age(ms: number) {
        await redis.client.hIncrBy(key, 'last_accessed_at', -ms)
        await redis.client.pExpireAt(key, (await redis.client.pExpireTime(key)) - ms)
      },
      async touch() {
        const session = await read(store, 's')
        session.cookie = cookie() as never
        await store.touch('s', session)
      },
      async set() {
        const session = await read(store, 's')
        session.n = ++n
        session.cookie = cookie() as never
        await store.set('s', session)
        assert.equal((await read(store, 's')).n, n)
      },
    }
  }
  const withBrowser = () => new Cookie()
  const HOUR = 3_600_000

  for (const deed of ['set', 'touch'] as const) {
    for (const [what, cookie, whole, options, every] of [
      ['a minute, where it has a day', withBrowser, DAY, {}, 60_000],
      ['a minute, where its cookie has an hour (maxAge)', () => lasting(HOUR), HOUR, {}, 60_000],
      ['a twentieth of the time it has', () => lasting(600_000), 600_000, {}, 30_000],
      ['as long as `touchInterval` says', withBrowser, DAY, { touchInterval: '10m' }, 600_000],
      ['half of the time it has', () => lasting(60_000), 60_000, { touchInterval: '10m' }, 30_000],
    ] as const) {
      it(`moves the end by a ${deed} when that is due: after ${what}`, async () => {
        const one = await open(cookie, options)
        await one.age(every - 10_000)
        const before = await one.end()
        await one[deed]()
        assert.equal(await one.end(), before)
        await one.age(10_000)
        await one[deed]()
        const left = await one.left()
        assert.ok(left <= whole && left > whole - 10_000, `${left} ms`)
      })
    }

    it(`moves the end by every ${deed} with \`touchInterval: 0\``, async () => {
      for (const cookie of [withBrowser, () => lasting(60_000)]) {
        const one = await open(cookie, { touchInterval: 0 })
        const before = await one.end()
        await one.age(5)
        await one[deed]()
        assert.ok((await one.end()) >= before)
      }
    })
  }

  it('never moves the end past that of a cookie that expires at a fixed time', async () => {
    const expires = new Date(Date.now() + 60_000)
    const one = await open(() => ({ originalMaxAge: 60_000, expires }))
    const first = await one.end()
    assert.ok(Math.abs(first - expires.getTime()) < 5000)
    for (let i = 0; i < 5; i++) {
      await one.set()
      await one.touch()
      assert.equal(await one.end(), first)
    }
  })

  it('moves the end at once, where its cookie is to last for longer or not as long', async () => {
    let ms = 60_000
    const one = await open(() => lasting(ms))
    for (const deed of ['set', 'touch'] as const) {
      for (ms of [120_000, 30_000]) {
        await one[deed]()
        const left = await one.left()
        assert.ok(left <= ms && left > ms - 10_000, `${left} ms, not ${ms}`)
      }
    }
  })
})

describe('a touch', () => {
  const redis = useRedis()

  it('moves the end and stores when the cookie expires, and nothing else', async () => {
    const prefix = newPrefix()
    const store = newStore(redis.client, { prefix })
    const key = keyOf(prefix, 's')
    await store.set('s', plain({ a: 1, b: { n: 1 } }, lasting(60_000)))
    const session = await read(store, 's')
    session.a = 2
    session.c = 3
    delete session.b
    const cookie = lasting(120_000) as { expires: Date }
    session.cookie = cookie as never
    await store.touch('s', session)
    const found = await read(store, 's')
    assert.deepEqual({ a: found.a, b: found.b, c: found.c }, { a: 1, b: { n: 1 }, c: undefined })
    assert.equal(found.cookie.expires as unknown, cookie.expires.toISOString())
    assert.ok((await redis.client.pTTL(key)) > 61_000)
    // What it has not written a set writes.
    await store.set('s', session)
    assert.deepEqual(await store.get('s'), asJson({ a: 2, c: 3, cookie }))
  })

  it('needs nobody to have read the session', async () => {
    const prefix = newPrefix()
    const store = newStore(redis.client, { prefix })
    const key = keyOf(prefix, 's')
    await store.set('s', plain({ a: 1 }, lasting(60_000)))
    const cookie = lasting(120_000)
    await store.touch('s', plain({}, cookie))
    assert.deepEqual(await store.get('s'), asJson({ a: 1, cookie }))
    // An object without any cookie says nothing of the cookie.
    await store.touch('s', {} as never)
    assert.deepEqual(await store.get('s'), asJson({ a: 1, cookie }))
    assert.ok((await redis.client.pTTL(key)) > 80_000_000)
    await store.touch('s', plain())
    assert.equal(await redis.client.hExists(key, '_expires'), 0)
    // It has learnt nothing of the session: a set of the same object is the whole of it.
    const other = plain({ b: 1 })
    await store.touch('s', other)
    await store.set('s', other)
    assert.deepEqual(await store.get('s'), asJson(other))
  })

  it('is left out where it would move the end by less than `touchInterval`', async () => {
    // From here on the server knows the script that only writes.
    const first = newStore(redis.client, { prefix: newPrefix() })
    await first.set('s', plain({ a: 1 }))
    await first.set('s', Object.assign(await read(first, 's'), { a: 2 }))
    for (const cookie of [lasting(60_000), new Cookie()]) {
      const sent: string[] = []
      const onCommand = ([name = '']: readonly string[]) => void sent.push(name)
      const store = newStore(redis.client, { prefix: newPrefix(), touchInterval: '10s', onCommand })
      await store.set('s', plain({ a: 1 }, cookie))
      const session = await read(store, 's')
      sent.length = 0
      await store.touch('s', session)
      assert.deepEqual(sent, [])
      // The cookie itself has changed: that is stored.
      session.cookie = lasting(65_000) as never
      await store.touch('s', session)
      assert.deepEqual(sent, ['EVALSHA'])
      session.cookie = { ...session.cookie, expires: new Date(Date.now() + 90_000) } as never
      await store.touch('s', session)
      assert.deepEqual(sent, ['EVALSHA', 'EVALSHA'])
      // From here on it counts from there.
      session.cookie = { ...session.cookie, expires: new Date(Date.now() + 91_000) } as never
      await store.touch('s', session)
      assert.deepEqual(sent, ['EVALSHA', 'EVALSHA'])
    }
  })

  it('leaves no key without a TTL', async () => {
    assert.ok((await assertEveryKeyExpires(redis.client)) > 0)
  })
})
