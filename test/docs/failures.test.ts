import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Health, StoreError } from '../../src/index.ts'
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { cookieOf } from './page-app.ts'
import { program, readPage, tableRows } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

/** Serves what the page makes of the other frameworks, and says so. */
const SERVE = `
import { getRequestListener, serve } from '@hono/node-server'

const [fastifyPort = 0, honoPort = 0, fetchPort = 0, plainPort = 0] = String(process.env.MORE_PORTS).split(' ').map(Number)
await fastify.listen({ port: fastifyPort })
serve({ fetch: hono.fetch, port: honoPort })
createServer(getRequestListener(home)).listen(fetchPort)
plain.listen(plainPort)
`

describe('the app of docs/failures.md', () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let app: Running
  let url: string
  let others: string[]

  before(async () => {
    redis = await startRedis()
    const [port, ...more] = await Promise.all(Array.from({ length: 5 }, freePort))
    const env = { REDIS_URL: redis.url, PORT: String(port), MORE_PORTS: more.join(' ') }
    app = sandbox.start(sandbox.write('failures.ts', program('docs/failures.md') + SERVE), env)
    for (const each of [Number(port), ...more]) await app.listens(each)
    url = `http://127.0.0.1:${port}`
    others = more.map((each) => `http://127.0.0.1:${each}`)
  })
  after(async () => {
    await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  test('answers as the page says while Redis is frozen, and as ever before and after', async () => {
    const ask = (path: string, cookie = '', method = 'GET') => fetch(url + path, { method, headers: { cookie } })
    const said = async (response: Response) => [response.status, await response.text()]
    const ready = async () => {
      const response = await ask('/ready')
      return { status: response.status, health: (await response.json()) as Health }
    }
    const cookie = cookieOf(await ask('/name', '', 'POST'))
    const { health: before, status } = await ready()
    assert.deepEqual([status, before.state, before.lastError], [200, 'up', null])
    assert.deepEqual(await said(await ask('/', cookie)), [200, 'Welcome, Ada.'])

    process.kill(redis.pid, 'SIGSTOP')
    const away = 'Welcome. Signing in does not work at the moment.'
    assert.deepEqual(await said(await ask('/', cookie)), [200, away])
    let down = await ready()
    while (down.status === 200) down = await ready()
    assert.deepEqual([down.status, down.health.state, down.health.lastError?.code], [503, 'down', 'ERR_STORE_TIMEOUT'])
    assert.ok(down.health.since > before.since && Number(down.health.latency?.calls) > 0)

    assert.deepEqual(await said(await ask('/', cookie)), [200, away])
    assert.deepEqual(await said(await ask('/')), [200, 'Welcome, stranger.'])
    for (const [path, method] of [
      ['/members', 'GET'],
      ['/account', 'GET'],
      ['/name', 'POST'],
    ] as const) {
      const refused = await ask(path, cookie, method)
      assert.deepEqual([path, refused.status, refused.headers.get('retry-after')], [path, 503, '1'])
      assert.deepEqual(refused.headers.getSetCookie(), [])
      assert.equal(await refused.text(), 'Please try again in a moment.')
    }
    for (const other of others) {
      const visitor = await fetch(`${other}/`, { headers: { cookie } })
      assert.deepEqual([visitor.status, await visitor.json()], [200, { unavailable: true }])
    }

    process.kill(redis.pid, 'SIGCONT')
    while ((await ready()).status !== 200) await pause(10)
    assert.deepEqual(await said(await ask('/', cookie)), [200, 'Welcome, Ada.'])
    for (const other of others) {
      const user = await fetch(`${other}/`, { headers: { cookie } })
      assert.deepEqual(await user.json(), { unavailable: false })
    }
  })

  test('has no warning to give', () => {
    assert.equal(app.output, '')
  })
})

test('the table of failed calls lists every code', () => {
  const codes = tableRows(readPage('docs/failures.md'), 'What a failed call has done').map(([code = '']) =>
    code.replaceAll('`', ''),
  )
  for (const code of codes) assert.equal(new StoreError(code as 'ERR_STORE_FULL', '', 'none').code, code)
  assert.deepEqual(codes, ['ERR_STORE_TIMEOUT', 'ERR_STORE_UNAVAILABLE', 'ERR_STORE_FULL', 'ERR_STORE_REPLY'])
})

test('the table of the health lists what there is', async () => {
  const listed = tableRows(readPage('docs/failures.md'), 'Health').map(([name = '']) => name.replaceAll('`', ''))
  assert.deepEqual(listed, ['state', 'since', 'lastError', 'latency'])
})
