import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CoatcheckStore } from '../../src/express-session.ts'
import { assertEveryKeyExpires, freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { program, readPage, tableRows } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

const PAGE = 'docs/express-session-store.md'

describe(`the app of ${PAGE}`, () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let app: Running
  let url: string

  before(async () => {
    redis = await startRedis()
    const port = await freePort()
    app = sandbox.start(sandbox.write('app.ts', program(PAGE)), { REDIS_URL: redis.url, PORT: String(port) })
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  after(async () => {
    await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  const send = (path: string, cookie = '', method = 'GET') =>
    fetch(url + path, { redirect: 'manual', method, headers: { cookie } })
  const cookieOf = (response: Response) => response.headers.getSetCookie().join().split(';')[0] ?? ''
  const sidOf = (cookie: string) => decodeURIComponent(cookie).replace(/^connect\.sid=s:|\.[^.]*$/g, '')

  test('keeps a cart, and ends it', async () => {
    const first = await send('/cart/hat', '', 'POST')
    assert.equal(first.headers.get('location'), '/cart')
    const cookie = cookieOf(first)
    await send('/cart/scarf', cookie, 'POST')
    assert.deepEqual(await (await send('/cart', cookie)).json(), ['hat', 'scarf'])
    assert.equal((await send('/logout', cookie, 'POST')).status, 303)
    assert.deepEqual(await (await send('/cart', cookie)).json(), [])
  })

  test('lists sessions by handles, which end them', async () => {
    const cookie = cookieOf(await send('/cart/hat', '', 'POST'))
    const listed = (await (await send('/admin/sessions')).json()) as { id: string; items: number }[]
    assert.deepEqual(
      listed.map(({ items }) => items),
      [1],
    )
    assert.match(listed[0]?.id ?? '', /^id:[\w-]{24}$/)
    assert.deepEqual(await (await send(`/admin/end/${listed[0]?.id}`, '', 'POST')).json(), { left: 0 })
    assert.deepEqual(await (await send('/cart', cookie)).json(), [])
  })

  test('keeps no session id, and no key for ever', async () => {
    const cookie = cookieOf(await send('/cart/hat', '', 'POST'))
    const client = await redis.connect()
    assert.ok((await assertEveryKeyExpires(client)) > 0)
    assert.ok(sidOf(cookie).length > 20)
    assert.ok(!JSON.stringify(await redis.dump()).includes(sidOf(cookie)))
  })

  test('has the options that it lists, with the defaults that it gives', async () => {
    const rows = tableRows(readPage(PAGE), 'Options')
    const named = Object.fromEntries(rows.map(([name = '', value = '']) => [name.replaceAll('`', ''), value]))
    const names = [
      'client',
      'prefix',
      'ttl',
      'lifetime',
      'touchInterval',
      'storeTimeout',
      'maxValueBytes',
      'onCommand',
      'migrate',
    ]
    assert.deepEqual(Object.keys(named), names)
    const client = await redis.connect()
    await client.flushAll()
    // The defaults, said: a store that has them and one that was told them keep the same.
    const plain = Object.entries(named).filter(([, value]) => /^`.*`$/.test(value))
    const told = Object.fromEntries(
      plain.map(([name, value]) => [name, new Function(`return ${value.slice(1, -1)}`)()]),
    )
    const session = { cookie: { originalMaxAge: null } } as never
    await new CoatcheckStore({ client }).set('default', session)
    await new CoatcheckStore({ client, ...told }).set('told', session)
    const hashes = Object.entries(await redis.dump()).filter(([, value]) => !Array.isArray(value))
    assert.equal(hashes.length, 2)
    for (const [key, value] of hashes) {
      assert.ok(key.startsWith(told.prefix))
      const { session_ttl, deadline, created_at } = value as Record<string, string>
      assert.deepEqual([session_ttl, Number(deadline) - Number(created_at)], ['86400', 400 * 86_400_000])
    }
  })

  test('has no warning to give', () => {
    assert.equal(app.output, '')
  })
})
