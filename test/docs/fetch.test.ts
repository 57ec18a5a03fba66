import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { program } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

/** Calls the handlers of the page as their frameworks do. */
const FRAMEWORKS = `
import { serve } from '@hono/node-server'
import { RouterContextProvider } from 'react-router'
import * as page from './fetch.ts'

const argsOf = (request: Request) => ({ request, params: {}, context: new RouterContextProvider() })
/** All of them, from the outer to the inner one. */
const through = ([first, ...others]: typeof page.middleware, args: ReturnType<typeof argsOf>, last: () => Promise<Response>) =>
  first === undefined ? last() : Promise.resolve(first(args, () => through(others, args, last) as Promise<Response>))
const thrown = (error: unknown) => error as Response

const routes: Record<string, (request: Request) => unknown> = {
  'GET /cart': page.GET,
  'POST /cart': page.POST,
  'PUT /session': page.PUT,
  'DELETE /session': page.DELETE,
  async 'GET /views'(request) {
    const { data, init } = await page.loader(argsOf(request))
    return Response.json(data, init)
  },
  'POST /login'(request) {
    const args = argsOf(request)
    return through(page.middleware, args, () => page.action(args).catch(thrown))
  },
  'GET /profile'(request) {
    const args = argsOf(request)
    return through([...page.middleware, ...page.profileMiddleware], args, async () =>
      Response.json(args.context.get(page.sessionContext).userId),
    )
  },
}
serve({
  port: Number(process.env.PORT),
  fetch: (request) => routes[request.method + ' ' + new URL(request.url).pathname]?.(request) as Promise<Response>,
})
`

describe('the handlers of docs/fetch.md', () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let app: Running
  let url: string

  before(async () => {
    redis = await startRedis()
    const port = await freePort()
    sandbox.write('fetch.ts', program('docs/fetch.md'))
    app = sandbox.start(sandbox.write('frameworks.ts', FRAMEWORKS), { REDIS_URL: redis.url, PORT: String(port) })
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  after(async () => {
    await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  const send = (method: string, path: string, cookie = '', init: RequestInit = {}) =>
    fetch(url + path, { method, redirect: 'manual', ...init, headers: { cookie, ...init.headers } })
  const cookieOf = (response: Response) => response.headers.getSetCookie().join().split(';')[0] ?? ''
  const crossSite = { headers: { 'sec-fetch-site': 'cross-site' } }

  test('keep a cart in Next.js', async () => {
    const added = await send('POST', '/cart', '', { body: '{"item":"hat"}' })
    assert.equal(added.status, 201)
    const cookie = cookieOf(added)
    await send('POST', '/cart', cookie, { body: '{"item":"umbrella"}' })
    assert.deepEqual(await (await send('GET', '/cart', cookie)).json(), ['hat', 'umbrella'])
    assert.equal((await send('POST', '/cart', cookie, { body: '{"item":"x"}', ...crossSite })).status, 403)
  })

  test('log in and out in Next.js', async () => {
    const login = await send('PUT', '/session')
    assert.deepEqual([login.status, login.headers.get('location')], [303, '/profile'])
    const cookie = cookieOf(login)
    assert.equal(await (await send('GET', '/profile', cookie)).json(), 'u42')
    const logout = await send('DELETE', '/session', cookie)
    assert.match(logout.headers.getSetCookie().join(), /^sid=; Max-Age=0;/)
    assert.equal((await send('GET', '/profile', cookie)).status, 401)
  })

  test('have one session for a request of React Router, by its middleware', async () => {
    const login = await send('POST', '/login')
    assert.deepEqual([login.status, login.headers.get('location')], [302, '/profile'])
    assert.equal(await (await send('GET', '/profile', cookieOf(login))).json(), 'u42')
    const visitor = await send('GET', '/profile', '', { headers: { accept: 'text/html' } })
    assert.deepEqual([visitor.status, visitor.headers.get('location')], [303, '/login?return-to=%2Fprofile'])
    assert.equal((await send('POST', '/login', '', crossSite)).status, 403)
  })

  test('hand the cookie on from a loader of React Router', async () => {
    const first = await send('GET', '/views')
    assert.deepEqual(await first.json(), { views: 1 })
    assert.deepEqual(await (await send('GET', '/views', cookieOf(first))).json(), { views: 2 })
  })

  test('printed nothing', () => {
    assert.equal(app.output, '')
  })
})
