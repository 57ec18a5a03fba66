import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fastifyCookie from '@fastify/cookie'
import fastifySession, { type FastifySessionOptions } from '@fastify/session'
import Fastify, { type FastifyInstance } from 'fastify'
import { useRedis } from '../redis/support.ts'
import { Sessions } from './connect-redis-sessions.ts'

/** With @fastify/session, of which the store knows no object again: it copies them. */
describe('migrate with @fastify/session', () => {
  const redis = useRedis()

  async function listen(t: TestContext, store: unknown): Promise<FastifyInstance> {
    const app = Fastify()
    t.after(() => app.close())
    await app.register(fastifyCookie)
    const options = { secret: 'a secret of at least 32 characters', cookie: { secure: false, maxAge: 600_000 } }
    await app.register(fastifySession, { ...options, store } as FastifySessionOptions)
    app.post('/set/:name/:value', async (request) => {
      const { name, value } = request.params as Record<string, string>
      request.session.set(name as never, value as never)
      return {}
    })
    app.get('/', async (request) => {
      const { cookie: _, ...own } = JSON.parse(JSON.stringify(request.session))
      return own
    })
    app.post('/logout', async (request) => {
      await request.session.destroy()
      return {}
    })
    return app
  }

  it('keeps users logged in, and logged out, in one step and in two', async (t) => {
    const sessions = new Sessions(redis.client)
    const [theirs, rolling, migrate] = await Promise.all([
      listen(t, sessions.theirs()),
      listen(t, sessions.ours({ migrate: { from: sessions.from, rolling: true } })),
      listen(t, sessions.ours()),
    ])
    for (const versions of [
      [theirs, migrate],
      [theirs, rolling, theirs, rolling, migrate, rolling, migrate],
    ]) {
      let cookie = ''
      const send = async (app: FastifyInstance, method: 'GET' | 'POST', url: string) => {
        const response = await app.inject({ method, url, headers: { cookie } })
        assert.equal(response.statusCode, 200, response.body)
        const [set] = response.cookies
        if (set !== undefined) cookie = `${set.name}=${encodeURIComponent(set.value)}`
        return response.json()
      }
      const expected: Record<string, string> = {}
      for (const [i, app] of versions.entries()) {
        expected[`step${i}`] = String(i)
        await send(app, 'POST', `/set/step${i}/${i}`)
        assert.deepEqual(await send(app, 'GET', '/'), expected)
      }
      const before = cookie
      await send(versions.at(-1) as FastifyInstance, 'POST', '/logout')
      for (const app of versions) {
        cookie = before
        assert.deepEqual(await send(app, 'GET', '/'), {})
      }
    }
  })
})
