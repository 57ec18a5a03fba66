import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Keys } from '../../src/redis/keys.ts'
import { redisStore } from '../../src/redis.ts'
import { open } from '../core/sessions-contract.ts'
import { startRedis } from '../support/redis-server.ts'
import { assertConsistent } from './consistency.ts'
import { newPrefix, useRedis } from './support.ts'

const USER_IDS = [
  '}',
  '{',
  '{a}{b}',
  '}:guests',
  ' ',
  'two words',
  'line\nline\r\n',
  '\u0000',
  '\u{1f9e5}',
  'x'.repeat(256),
  'é'.repeat(128),
  '*',
  '[a-z]?',
  'user:1',
  '0',
  '__proto__',
  "'; DROP --",
  '1',
]

describe('a user id', () => {
  const redis = useRedis()

  for (const userId of USER_IDS) {
    it(`such as ${JSON.stringify(userId).slice(0, 24)} is one user and no other`, async () => {
      const prefix = newPrefix()
      const store = redisStore(redis.client, { prefix })
      const sessions = open(store, { touchInterval: 0, maxPerUser: 2 })
      const other = await sessions.create({}, { userId: [...userId].slice(1).join('') || 'other' })
      const first = await sessions.create({}, { userId })
      // Redis tells whole milliseconds: the first is to be the oldest.
      await pause(2)
      const second = await sessions.create({}, { userId })
      assert.equal((await sessions.load(first.token))?.userId, userId)
      await sessions.increment(first.token, 'views')
      const rotated = await sessions.rotate(second.token)
      await sessions.create({}, { userId })
      assert.equal(await sessions.load(first.token), null)
      assert.equal((await sessions.find(rotated.id))?.userId, userId)
      assert.equal(await sessions.destroy(second.token), true)
      assert.ok(await sessions.load(other.token))
      assert.equal(await sessions.count(), 2)
      await assertConsistent(redis.client, prefix)
    })
  }
})

describe('a prefix', () => {
  it('with a brace is refused', () => {
    for (const prefix of ['{', 'a{b}:', '}'])
      assert.throws(() => new Keys(prefix), { code: 'ERR_CONFIG', message: /prefix/ })
    assert.throws(() => new Keys(7 as never), { code: 'ERR_CONFIG' })
  })

  it('keeps applications on one Redis apart', async (t) => {
    const server = await startRedis()
    t.after(() => server.stop())
    const client = await server.connect()
    const [a, b, unnamed] = [{ prefix: 'a:' }, { prefix: 'b:' }, {}].map((options) => open(redisStore(client, options)))
    const { token, id } = (await a?.create()) ?? assert.fail()
    assert.equal(await b?.load(token), null)
    assert.equal(await b?.revoke(id), false)
    assert.deepEqual([await a?.count(), await b?.count(), await unnamed?.count()], [1, 0, 0])
    await unnamed?.create()
    assert.deepEqual(new Set((await client.keys('*')).map((key) => key.split('{')[0])), new Set(['a:', 'session:']))
  })
})
