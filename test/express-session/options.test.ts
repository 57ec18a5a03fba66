import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import session, { Store } from 'express-session'
import { CoatcheckStore } from '../../src/express-session.ts'
import { newPrefix, useRedis, warningsOf } from '../redis/support.ts'
import { ENDED, newStore, plain } from './support.ts'

describe('the options of the store', () => {
  const redis = useRedis()

  it('need a client, and nothing else', () => {
    const store = new CoatcheckStore({ client: redis.client })
    assert.ok(store instanceof Store)
    assert.equal(typeof session({ store, secret: 'x', resave: false, saveUninitialized: false }), 'function')
    for (const wrong of [undefined, null, 'redis://localhost', {}, { client: {} }, redis.client]) {
      assert.throws(() => new CoatcheckStore(wrong as never), { code: 'ERR_CONFIG' })
    }
  })

  it('are refused at once where they are wrong', () => {
    const wrong: [object, RegExp][] = [
      [{ prefix: 'app{1}:' }, /prefix/],
      [{ ttl: 0 }, /ttl/],
      [{ ttl: 'soon' }, /ttl/],
      [{ ttl: () => 1 }, /ttl/],
      [{ ttl: '2h', lifetime: '1h' }, /ttl/],
      [{ lifetime: -1 }, /lifetime/],
      [{ touchInterval: '-1s' }, /touchInterval/],
      [{ storeTimeout: 0 }, /storeTimeout/],
      [{ maxValueBytes: 0 }, /maxValueBytes/],
      [{ serializer: JSON }, /connect-redis.*JSON/],
      [{ scanCount: 10 }, /connect-redis/],
      [{ disableTTL: true }, /connect-redis/],
      [{ disableTouch: true }, /touchInterval/],
    ]
    for (const [options, message] of wrong) {
      assert.throws(() => newStore(redis.client, options), { code: 'ERR_CONFIG', message })
    }
  })

  it('warn where a ttl looks like the seconds of connect-redis', async () => {
    const warnings = await warningsOf(async () => {
      newStore(redis.client, { ttl: '5s' })
      newStore(redis.client, { ttl: 86_400 })
    })
    assert.deepEqual(
      warnings.map(({ code, message }) => [code, /'86400s'/.test(message)]),
      [['COATCHECK_SHORT_TTL', true]],
    )
  })

  it('limit what one property may take', async () => {
    const store = newStore(redis.client, { prefix: newPrefix(), maxValueBytes: 10 })
    await store.set('s', plain({ a: 'x'.repeat(10) }, {}))
    await assert.rejects(store.set('s', plain({ a: 'x'.repeat(11) }, {})), { code: 'ERR_FIELD_TOO_LARGE' })
    await assert.rejects(store.touch('s', plain({}, { path: '/far/away' })), { code: 'ERR_FIELD_TOO_LARGE' })
    await store.destroy('s')
    await assert.rejects(store.set('s', plain({ a: 'x' }, {})), ENDED)
  })
})
