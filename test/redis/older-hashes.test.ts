import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { idOfToken, newToken } from '../../src/core/token.ts'
import { createSessions, type Session } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { keysOf, newPrefix, useRedis } from './support.ts'

// A deployment rolls: sessions that were stored before there were logins are used on, as docs/compatibility.md says.

interface Data {
  cart: string[]
}

describe('a session that was stored before there were logins', () => {
  const redis = useRedis()

  /** Writes one as it was stored then, with its index entries. */
  async function older(userId: string | null) {
    const prefix = newPrefix()
    const token = newToken(userId)
    const id = idOfToken(token)
    const { session, guests, members, seen, indexes } = keysOf(prefix, id, userId)
    const [now, ttl] = [Date.now(), 1800]
    const expiry = now + ttl * 1000
    await redis.client.hSet(session, {
      created_at: String(now - 60_000),
      last_accessed_at: String(now),
      session_ttl: String(ttl),
      deadline: String(now + 12 * 3_600_000),
      ...(userId !== null && { user_id: userId }),
      cart: '["umbrella"]',
    })
    await redis.client.pExpireAt(session, expiry)
    const entries: [key: string, score: number, member: string][] = [
      [userId === null ? guests : members, expiry, id],
      [seen, now, id],
    ]
    if (userId !== null) entries.push([indexes[3]!, expiry, id], [indexes[4]!, expiry, userId])
    for (const [key, score, value] of entries) {
      await redis.client.zAdd(key, { score, value })
      await redis.client.pExpireAt(key, expiry)
    }
    const store = redisStore(await redis.server.connect(), { prefix })
    const sessions = createSessions<Data>({ store })
    const request = async (): Promise<Session<Data>> => {
      const req = {}
      await sessions.openRequest(req, `__Host-sid=${token}`)
      return sessions.of(req)
    }
    return { sessions, token, id, request, store }
  }

  it('is read, written and counted, and knows of no login', async () => {
    const { sessions, token, request } = await older('ada')
    const session = await request()
    assert.deepEqual([session.userId, session.roles, session.authenticatedAt], ['ada', [], null])
    assert.deepEqual(session.data, { cart: ['umbrella'] })
    assert.equal(await sessions.touch(token), true)
    await sessions.update(token, 'cart', (cart = []) => [...cart, 'hat'])
    const { active, members, users } = await sessions.stats()
    assert.deepEqual([active, members, users], [1, 1, 1])
    assert.equal((await sessions.recent()).length, 1)
  })

  it('goes into a login with its data, and is gone then', async () => {
    const { sessions, token, request } = await older(null)
    const session = await request()
    await session.login('ada', { roles: ['customer'] })
    assert.deepEqual([session.userId, session.data], ['ada', { cart: ['umbrella'] }])
    assert.equal(await sessions.load(token), null)
    assert.equal(await sessions.count(), 1)
  })

  it('of a user is among the devices, gets roles and ends with the others', async () => {
    const { sessions, token, id, request } = await older('ada')
    const session = await request()
    assert.deepEqual(
      (await session.devices()).map((device) => [device.id, device.device, device.ip, device.requestCount]),
      [[id, null, null, 0]],
    )
    assert.equal(await sessions.user('ada').setRoles(['admin']), 1)
    assert.deepEqual((await sessions.peek(token))?.roles, ['admin'])
    const again = await request()
    await again.login('ada')
    assert.notEqual(again.authenticatedAt, null)
    assert.equal(await sessions.user('ada').revokeAll(), 1)
    assert.equal(await sessions.count(), 0)
    await assertEveryKeyExpires(redis.client)
  })
})
