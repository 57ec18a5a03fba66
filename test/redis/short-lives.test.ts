import { describe, it } from 'node:test'
import { redisStore } from '../../src/redis.ts'
import { begin, call } from '../store-contract.ts'
import { eventually, inParallel } from '../support/http.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { keysOf, newPrefix, useRedis } from './support.ts'

// Redis deletes a key at once that is given an expiry in the past, and a write behind that makes another, without expiry.

describe('a session whose end comes while a script runs', { timeout: 60_000 }, () => {
  const redis = useRedis()

  it('leaves nothing behind when it is created', async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    const { id } = await begin(store, { lifetime: 0, data: { name: 'Ada' } })
    const { session } = keysOf(prefix, id)
    await eventually(async () => (await redis.client.exists(session)) === 0)
    await assertEveryKeyExpires(redis.client)
  })

  it('leaves nothing behind when it is touched', async () => {
    const prefix = newPrefix()
    const store = redisStore(redis.client, { prefix })
    // It comes between the first command of the script and the second in one of a hundred.
    await inParallel(1000, 20, async () => {
      const { id } = await begin(store)
      await redis.client.hSet(keysOf(prefix, id).session, 'session_ttl', '0.001')
      await store.touch({ id, userId: null }, 0, 1, call())
    })
    await assertEveryKeyExpires(redis.client)
  })
})
