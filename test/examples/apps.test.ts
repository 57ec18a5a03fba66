import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Visitor } from '../support/http.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { startExample } from './example-process.ts'

// The same application for each framework.

let redis: RedisServer
before(async () => {
  redis = await startRedis()
})
after(() => redis.stop())

for (const name of ['express', 'fastify', 'hono', 'node', 'fetch']) {
  describe(`the example ${name}`, { timeout: 60_000 }, () => {
    it('logs in, shows the profile, logs out, and ends when it is told to', async (t) => {
      const app = await startExample(t, name, { REDIS_URL: redis.url })
      const visitor = new Visitor(t, app)
      assert.equal((await visitor.get('/profile')).status, 401)

      const login = await visitor.post('/login')
      assert.equal(login.status, 204)
      assert.match(login.cookies.join(), /^sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
      assert.deepEqual((await visitor.get('/profile')).json, { user: 'u42', theme: 'dark', visits: 1 })
      assert.deepEqual((await visitor.get('/profile')).json, { user: 'u42', theme: 'dark', visits: 2 })

      const { cookieHeader: cookie } = visitor
      const forged = await visitor.post('/logout', { headers: { 'sec-fetch-site': 'cross-site' } })
      assert.equal(forged.status, 403)
      const logout = await visitor.post('/logout')
      assert.equal(logout.status, 204)
      assert.match(logout.cookies.join(), /^sid=; Max-Age=0;/)
      assert.equal((await visitor.get('/profile')).status, 401)
      assert.equal((await visitor.get('/profile', { cookie })).status, 401)

      assert.deepEqual(await app.terminate(), { code: 0, signal: null })
    })
  })
}

describe('the example express-session', { timeout: 60_000 }, () => {
  it('logs in, shows the profile, logs out, and ends when it is told to', async (t) => {
    const app = await startExample(t, 'express-session', { REDIS_URL: redis.url })
    const visitor = new Visitor(t, app)
    assert.equal((await visitor.get('/profile')).status, 401)
    assert.equal((await visitor.post('/login')).status, 204)
    assert.deepEqual((await visitor.get('/profile')).json, { user: 'u42', theme: 'dark', visits: 1 })
    assert.deepEqual((await visitor.get('/profile')).json, { user: 'u42', theme: 'dark', visits: 2 })
    assert.equal((await visitor.post('/logout')).status, 204)
    assert.equal((await visitor.get('/profile')).status, 401)
    assert.deepEqual(await app.terminate(), { code: 0, signal: null })
  })
})
