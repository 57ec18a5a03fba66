import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import type { SessionData } from 'express-session'
import { CoatcheckStore, type CoatcheckStoreOptions } from '../../src/express-session.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { CLIENTS } from '../redis/clients.ts'
import { useRedis, warningsOf } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { startRedis } from '../support/redis-server.ts'
import { cookieOf, dataOf, Sessions } from './connect-redis-sessions.ts'
import { ENDED, plain } from './support.ts'
import { deedOf, tampered } from './tampered-client.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('migrate', () => {
  const redis = useRedis()

  it('takes a session of connect-redis over when it is first asked for, and goes on with it', async () => {
    const sessions = new Sessions(redis.client)
    const store = sessions.ours()
    const sid = await sessions.keep({ user: 'Ada', cart: ['hat'] })
    assert.equal(await store.length(), 0)
    const found = (await store.get(sid)) ?? assert.fail()
    assert.deepEqual(dataOf(found), { user: 'Ada', cart: ['hat'] })
    await store.set(sid, Object.assign(found, { cart: ['hat', 'umbrella'] }))
    assert.deepEqual(dataOf(await store.get(sid)), { user: 'Ada', cart: ['hat', 'umbrella'] })
    assert.equal(await store.length(), 1)
    assert.deepEqual(dataOf((await store.all())[0]), {
      user: 'Ada',
      cart: ['hat', 'umbrella'],
      id: (await store.ids())[0],
    })
    // For going back.
    assert.deepEqual(dataOf(await sessions.theirs().get(sid)), { user: 'Ada', cart: ['hat'] })
  })

  it('costs nothing with a session that is ours, and one command with one that is nobody’s', async () => {
    const sessions = new Sessions(redis.client)
    const deeds: string[] = []
    const store = sessions.ours({ onCommand: (words) => deeds.push(deedOf(words)) })
    const sid = await sessions.keep({ user: 'Ada' })
    for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
    await store.get(sid)
    const takeOver = ['HGETALL', 'GET', 'take_over', 'create', 'taken_over', 'HDEL', 'HGETALL']
    assert.deepEqual(deeds.splice(0), takeOver)
    await store.get(sid)
    assert.deepEqual(deeds.splice(0), ['HGETALL'])
    await store.get(randomUUID())
    assert.deepEqual(deeds.splice(0), ['HGETALL', 'GET'])
    await store.destroy(sid)
    assert.deepEqual(deeds.splice(0), ['DEL', 'destroy'])
  })

  it('tells nobody the session id', async () => {
    const sessions = new Sessions(redis.client)
    const words: string[] = []
    const onCommand = (command: readonly string[]) => words.push(...command)
    for (const rolling of [true, false]) {
      const store = sessions.ours({ onCommand, migrate: { from: sessions.from, rolling } })
      const sid = await sessions.keep({ user: 'Ada' })
      const found = (await store.get(sid)) ?? assert.fail()
      await store.set(sid, found)
      await store.touch(sid, found)
      await store.destroy(sid)
      assert.ok(words.some((word) => word.startsWith(sessions.from)))
      for (const word of words.splice(0)) assert.ok(!word.includes(sid), word)
    }
  })

  it('gives a session that connect-redis keeps for ever the ttl of the store, and its copy too', async () => {
    const sessions = new Sessions(redis.client)
    const sid = await sessions.keep({}, { disableTTL: true })
    await sessions.ours({ ttl: '2h' }).get(sid)
    for (const key of [sessions.newKey(sid), sessions.oldKey(sid)]) {
      const left = await redis.client.pTTL(key)
      assert.ok(left > 2 * HOUR - MINUTE && left <= 2 * HOUR, `${left}`)
    }
  })

  it('keeps to a lifetime, counted from the takeover', async () => {
    const sessions = new Sessions(redis.client)
    const sid = await sessions.keep({}, { maxAge: 100 * HOUR })
    await sessions.ours({ lifetime: '1h' }).get(sid)
    const left = await redis.client.pTTL(sessions.newKey(sid))
    assert.ok(left > HOUR - MINUTE && left <= HOUR)
  })

  it('takes over a session that is about to end, and one that ends after all of us', async () => {
    const sessions = new Sessions(redis.client)
    const store = sessions.ours()
    const late = await sessions.keep({ user: 'Ada' }, { ttl: 100 * 365 * 24 * 3600 })
    assert.deepEqual(dataOf(await store.get(late)), { user: 'Ada' })
    // Within a millisecond or two it is gone, and nothing must have become of it that lives on.
    for (let left = 1; left <= 10; left++) {
      const sid = await sessions.keep({ user: 'Ada' })
      await redis.client.pExpire(sessions.oldKey(sid), left)
      const data = dataOf(await store.get(sid))
      if (data !== null) assert.deepEqual(data, { user: 'Ada' })
      await eventually(async () => (await redis.client.exists([sessions.oldKey(sid), sessions.newKey(sid)])) === 0)
    }
  })

  it('does not let a cookie be expired that connect-redis has touched since', async () => {
    const sessions = new Sessions(redis.client)
    const sid = await sessions.keep({ user: 'Ada' }, { maxAge: 1, ttl: () => 3600 })
    await sessions.theirs().touch(sid, { cookie: cookieOf(HOUR) } as SessionData)
    const before = Date.now()
    await eventually(() => Date.now() > before + 5)
    const store = sessions.ours()
    const found = (await store.get(sid)) ?? assert.fail()
    const expires = Number(new Date(found.cookie.expires as unknown as string))
    assert.ok(expires > before + HOUR - MINUTE && expires < Date.now() + HOUR + MINUTE)
    assert.equal(found.cookie.originalMaxAge, 1)
    // Saved as it is, connect-redis would end it.
    await store.set(sid, Object.assign(found, { user: 'Grace' }))
    assert.deepEqual(dataOf(await store.get(sid)), { user: 'Grace' })
  })

  it('takes over values larger than may be written now', async () => {
    const sessions = new Sessions(redis.client)
    const store = sessions.ours({ maxValueBytes: 100 })
    const large = 'x'.repeat(1000)
    const sid = await sessions.keep({ large, views: 1 })
    const found = (await store.get(sid)) ?? assert.fail()
    await store.set(sid, Object.assign(found, { views: 2 }))
    assert.deepEqual(dataOf(await store.get(sid)), { large, views: 2 })
    await assert.rejects(store.set(sid, Object.assign(found, { large: `${large}x` })), { code: 'ERR_FIELD_TOO_LARGE' })
    assert.deepEqual(dataOf(await store.get(sid)), { large, views: 2 })
  })

  const nested = JSON.stringify({ cookie: {}, deep: JSON.parse(`${'['.repeat(501)}${']'.repeat(501)}`) })
  const FOREIGN = {
    'no JSON': 'eyJjb29raWUiOnt9fQ',
    JSON5: '{cookie:{}}',
    'broken JSON': '{"cookie":{}',
    'a JSON string': '"cookie"',
    'JSON null': 'null',
    'an array': '[{"cookie":{}}]',
    'JSON without a cookie': '{"json":{"cookie":{}},"meta":{}}',
    'more than 500 levels of nesting': nested,
    'what is no UTF-8': Buffer.from('7b22636f6f6b6965223a7b7d2c226e616d65223a22ff227d', 'hex'),
  }

  it('leaves alone what connect-redis has not written as JSON, has the user log in again, and warns once', async () => {
    const sessions = new Sessions(redis.client)
    const warnings = await warningsOf(async () => {
      for (const [what, text] of Object.entries(FOREIGN)) {
        const sid = randomUUID()
        const key = sessions.oldKey(sid)
        await redis.client.set(key, text, { expiration: { type: 'EX', value: 60 } })
        const before = await redis.client.dump(key)
        const store = sessions.ours()
        assert.equal(await store.get(sid), null, what)
        assert.deepEqual(await redis.client.dump(key), before, what)
        assert.equal(await store.length(), 0, what)
        await store.set(sid, plain({ user: 'Ada' }))
        assert.deepEqual(dataOf(await store.get(sid)), { user: 'Ada' })
        await store.destroy(sid)
      }
    })
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['COATCHECK_FOREIGN_SESSION'],
    )
  })

  it('does nothing with a key of another type', async () => {
    const sessions = new Sessions(redis.client)
    const sid = randomUUID()
    await redis.client.hSet(sessions.oldKey(sid), 'cookie', '{}')
    for (const rolling of [true, false]) {
      assert.equal(await sessions.ours({ migrate: { from: sessions.from, rolling } }).get(sid), null)
    }
    assert.equal(await redis.client.hGet(sessions.oldKey(sid), 'cookie'), '{}')
    await redis.client.del(sessions.oldKey(sid))
  })

  it('ends the copy with the session: by destroy, and by a cookie that has expired', async () => {
    const sessions = new Sessions(redis.client)
    const store = sessions.ours({ touchInterval: 0 })
    const ends: Record<string, (sid: string, found: SessionData) => Promise<void>> = {
      destroy: (sid) => store.destroy(sid),
      'set with a cookie that has expired': (sid, found) => store.set(sid, { ...found, cookie: cookieOf(-1) }),
      'touch with a cookie that has expired': (sid, found) => store.touch(sid, { ...found, cookie: cookieOf(-1) }),
    }
    for (const [how, end] of Object.entries(ends)) {
      const sid = await sessions.keep({ user: 'Ada' })
      const found = (await store.get(sid)) ?? assert.fail()
      await end(sid, found)
      assert.equal(await sessions.theirs().get(sid), null, how)
      assert.equal(await store.get(sid), null, how)
      await assert.rejects(store.set(sid, found), ENDED, how)
      await assert.rejects(store.touch(sid, found), ENDED, how)
    }
    assert.equal(await store.length(), 0)
  })

  it('ends nothing when the copy cannot be ended, and says so', async () => {
    const sessions = new Sessions(redis.client)
    const sid = await sessions.keep({ user: 'Ada' })
    for (const rolling of [false, true]) {
      const before = (deed: string) => {
        if (deed === 'DEL') throw new Error('lost')
      }
      const client = tampered(redis.client, { before })
      const store = sessions.ours({ client, migrate: { from: sessions.from, rolling } })
      assert.deepEqual(dataOf(await store.get(sid)), { user: 'Ada' })
      await assert.rejects(store.destroy(sid), { code: 'ERR_STORE_UNAVAILABLE', status: 503 })
      for (const each of [sessions.theirs(), store]) assert.deepEqual(dataOf(await each.get(sid)), { user: 'Ada' })
    }
  })

  it('fails when Redis is out of memory, and loses nothing', async (t) => {
    const server = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
    t.after(() => server.stop())
    const client = await server.connect()
    const sessions = new Sessions(client)
    const sid = await sessions.keep({ user: 'Ada' })
    const before = await server.dump()
    await client.configSet('maxmemory', '1')
    const store = sessions.ours()
    await assert.rejects(store.get(sid), { code: 'ERR_STORE_FULL', status: 503 })
    await client.configSet('maxmemory', '0')
    assert.deepEqual(await server.dump(), before)
    assert.deepEqual(dataOf(await store.get(sid)), { user: 'Ada' })
    // It can be ended all the while.
    await client.configSet('maxmemory', '1')
    await store.destroy(sid)
    await client.configSet('maxmemory', '0')
    for (const each of [sessions.theirs(), store]) assert.equal(await each.get(sid), null)
  })

  it('takes nothing over a second time that has ended, however it ended', async () => {
    const sessions = new Sessions(redis.client)
    const store = sessions.ours()
    const [cleared, expired] = [await sessions.keep({ user: 'Ada' }), await sessions.keep({ user: 'Ada' })]
    for (const sid of [cleared, expired]) assert.ok((await store.get(sid)) !== null)
    const found = (await store.get(expired)) ?? assert.fail()
    await store.touch(expired, { ...found, cookie: cookieOf(5) })
    await eventually(async () => (await redis.client.exists(sessions.newKey(expired))) === 0)
    await store.clear()
    // An hour later.
    assert.equal(await redis.client.del(sessions.newKey(cleared)), 1)
    for (const sid of [cleared, expired]) {
      assert.equal(await store.get(sid), null)
      assert.deepEqual(dataOf(await sessions.theirs().get(sid)), { user: 'Ada' })
    }
  })

  it('gives up at the deadline on a session that is written all the time', async () => {
    const sessions = new Sessions(redis.client)
    const theirs = sessions.theirs()
    const sid = await sessions.keep({ user: 'Ada' })
    let attempts = 0
    const before = async (deed: string) => {
      if (deed !== 'take_over') return
      await theirs.set(sid, plain({ attempt: attempts++ }))
    }
    const store = sessions.ours({ client: tampered(redis.client, { before }), storeTimeout: '1s' })
    await assert.rejects(store.get(sid), { code: 'ERR_STORE_TIMEOUT' })
    const attemptsInTime = attempts
    assert.ok(attemptsInTime > 1)
    for (let i = 0; i < 20; i++) await redis.client.ping()
    assert.ok(attempts <= attemptsInTime + 1, `${attempts - attemptsInTime} attempts after the deadline`)
    assert.deepEqual(dataOf(await sessions.ours().get(sid)), { attempt: attempts - 1 })
  })

  for (const [name, open] of Object.entries(CLIENTS)) {
    it(`works on ${name}`, async (t) => {
      const own = open(redis.server.url)
      t.after(() => own.destroy())
      await own.connect()
      const sessions = new Sessions(redis.client)
      const theirs = sessions.theirs()
      for (const rolling of [true, false]) {
        const store = sessions.ours({ client: own.client, migrate: { from: sessions.from, rolling } })
        const sid = await sessions.keep({ user: 'Ада', views: '7' })
        const found = (await store.get(sid)) ?? assert.fail()
        assert.deepEqual(found, await theirs.get(sid))
        await store.set(sid, Object.assign(found, { user: 'Ada' }))
        await store.touch(sid, found)
        assert.deepEqual(dataOf(await store.get(sid)), { user: 'Ada', views: '7' })
        await store.destroy(sid)
        await theirs.set(sid, found)
        assert.equal(await store.get(sid), null)
        assert.equal(await theirs.get(sid), null)
        assert.equal(await store.get(randomUUID()), null)
      }
    })
  }

  it('is refused where it cannot work', () => {
    const { client } = redis
    const refused: [unknown, RegExp, string?][] = [
      [{}, /migrate\.from/],
      [{ from: '' }, /migrate\.from/],
      [{ from: 7 }, /migrate\.from/],
      ['sess:', /migrate\.from/],
      [null, /migrate\.from/],
      [true, /migrate\.from/],
      [{ from: 'express-session:' }, /prefix must not begin/],
      [{ from: 'app:' }, /prefix must not begin/, 'app:session:'],
      [{ from: 'sess:', rolling: 'yes' }, /migrate\.rolling/],
    ]
    for (const [migrate, message, prefix] of refused) {
      const options = { client, migrate, ...(prefix !== undefined && { prefix }) } as CoatcheckStoreOptions
      assert.throws(() => new CoatcheckStore(options), { code: 'ERR_CONFIG', message })
    }
    new CoatcheckStore({ client, prefix: 'app:', migrate: { from: 'app:sess:' } })
  })
})
