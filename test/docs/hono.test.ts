import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { program } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

describe('the app of docs/hono.md', () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let app: Running
  let url: string

  before(async () => {
    redis = await startRedis()
    const port = await freePort()
    app = sandbox.start(sandbox.write('hono.ts', program('docs/hono.md')), {
      REDIS_URL: redis.url,
      PORT: String(port),
    })
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  after(async () => {
    await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  const send = (path: string, cookie = '', init: RequestInit = {}) =>
    fetch(url + path, { redirect: 'manual', ...init, headers: { cookie, ...init.headers } })
  const post = (path: string, cookie = '', headers = {}) => send(path, cookie, { method: 'POST', headers })
  const cookieOf = (response: Response) => response.headers.getSetCookie().join().split(';')[0] ?? ''

  test('keeps a cart', async () => {
    const cookie = cookieOf(await post('/cart?item=hat'))
    assert.equal((await post('/cart?item=umbrella', cookie)).headers.get('location'), '/cart')
    assert.deepEqual(await (await send('/cart', cookie)).json(), ['hat', 'umbrella'])
  })

  test('guards the profile and the office, and everything against other sites', async () => {
    assert.equal((await send('/profile')).status, 401)
    const cookie = cookieOf(await post('/login'))
    assert.deepEqual(await (await send('/profile', cookie)).json(), { user: 'u42' })
    assert.equal((await send('/office/keys', cookie)).status, 403)
    assert.equal((await post('/login', '', { 'sec-fetch-site': 'cross-site' })).status, 403)
    const logout = await post('/logout', cookie)
    assert.match(logout.headers.getSetCookie().join(), /^sid=; Max-Age=0;/)
    assert.equal((await send('/profile', cookie)).status, 401)
  })

  test('discards what a handler has changed that fails, and answers with the error handler', async () => {
    const cookie = cookieOf(await post('/cart?item=hat'))
    const response = await post('/fails', cookie)
    assert.deepEqual([response.status, await response.json()], [500, { error: 'Something went wrong' }])
    assert.deepEqual(await (await send('/cart', cookie)).json(), ['hat'])
    assert.equal(app.output, 'this change is discarded\n')
  })
})
