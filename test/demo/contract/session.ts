import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { measureStall } from '../../support/lag.ts'
import { until } from '../demo-process.ts'
import { type DemoAnswer, live, refused } from '../visitor.ts'
import type { Scene } from './scene.ts'

/** `GET /session`, `POST /increment` and `POST /logout`. */
export function sessionRoutes({ login, redis }: Scene): void {
  describe('GET /session', () => {
    it('does not extend the session, which expires by itself', async () => {
      const [begin, busy] = [performance.now(), measureStall()]
      const { visitor, first } = await login({ ttl: '1' })
      let last: DemoAnswer = first
      const end = await until(async () => {
        const reply = await visitor.get('/session')
        if (reply.status !== 200) return reply
        assert.equal(reply.body.session.last_accessed_at, first.session.last_accessed_at)
        assert.ok(reply.body.ttl <= last.ttl, 'the time left went up')
        last = reply.body
        return null
      })
      const took = performance.now() - begin
      refused(end, 401, 'Session expired')
      assert.ok(took >= 1000 && took < 2000 + busy(), `expired after ${took} ms`)
      // It says so as long as the browser comes with that cookie, which only a logout takes away.
      refused(await visitor.post('/increment'), 401, 'Session expired')
      refused(await visitor.post('/ttl', { ttl: '5' }), 401, 'Session expired')
      refused(await visitor.get('/session'), 401, 'Session expired')
      const logout = await visitor.post('/logout')
      refused(logout, 401, 'Session expired')
      assert.equal(visitor.cookie, null)
      refused(await visitor.get('/session'), 401, 'No active session')
    })

    it('does not extend it when asked by HEAD or with a query either', async () => {
      const { visitor, first } = await login({ ttl: '2' })
      await until(async () => {
        assert.equal((await visitor.send('HEAD', '/session', undefined)).status, 200)
        const { session, ttl } = live(await visitor.get('/session?again'))
        assert.equal(session.last_accessed_at, first.session.last_accessed_at)
        // More than a twentieth of the TTL: a touch would be due.
        return ttl < 1.8
      })
    })

    it('costs one command', async () => {
      const { visitor, first } = await login()
      const { commands } = live(await visitor.get('/session'))
      assert.deepEqual(commands, [{ words: ['HGETALL', first.key], script: null, sent: redis() !== null }])
    })
  })

  describe('POST /increment', () => {
    it('counts a page view and extends the session', async () => {
      const { visitor, first } = await login()
      await until(async () => live(await visitor.get('/session')).ttl < 14.95)
      const second = live(await visitor.post('/increment'))
      assert.equal(second.session.page_views, '2')
      assert.ok(Number(second.session.last_accessed_at) > Number(first.session.last_accessed_at))
      assert.ok(second.ttl > 14, `${second.ttl}`)
    })

    it('loses none of many at once', async () => {
      const { visitor } = await login()
      const replies = await Promise.all(Array.from({ length: 50 }, () => visitor.post('/increment')))
      for (const reply of replies) live(reply)
      assert.equal(live(await visitor.get('/session')).session.page_views, '51')
    })
  })

  describe('POST /logout', () => {
    it('ends the session and takes the cookie away', async () => {
      const { visitor, first } = await login()
      const { cookie } = visitor
      const reply = await visitor.post('/logout')
      assert.equal(reply.status, 200)
      assert.equal(reply.body.authenticated, false)
      assert.equal(reply.body.session_id, first.session_id)
      assert.match(
        reply.headers.getSetCookie().join(),
        /^sid=; Max-Age=0; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
      )
      refused(await visitor.get('/session'), 401, 'No active session')
      visitor.cookie = cookie
      refused(await visitor.get('/session'), 401, 'Session expired')
      if (redis()) assert.equal((await redis()?.dump())?.[first.key], undefined)
    })
  })
}
