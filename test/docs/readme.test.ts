import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { idOfToken } from '../../src/core/token.ts'
import { measureLag, measureStall } from '../support/lag.ts'
import {
  assertEveryKeyExpires,
  assertNoToken,
  freePort,
  type RedisClient,
  type RedisServer,
  startRedis,
} from '../support/redis-server.ts'
import { block, program, ROOT, readPage, tableRows } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

// The README's server runs as it is printed, and its exchange takes place.

const HOUR = 3_600_000
const README = readPage('README.md')
const EXCHANGE = block('README.md', 'http').trimEnd()
const HGETALL = block('README.md', 'console').trimEnd()

const split = EXCHANGE.indexOf('\n\nHTTP/1.1')
const REQUEST = EXCHANGE.slice(0, split)
const RESPONSE = EXCHANGE.slice(split + 2)

/** What is different in every run, by what it is. */
function normal(text: string): string {
  return text
    .replaceAll(/sid=[\w-]{43}\b/g, 'sid=<token>')
    .replaceAll(/"id": ?"[\w-]{24}"/g, '"id":"<id>"')
    .replaceAll(/session:\{\w\w\}:[\w-]{22}/g, 'session:<id>')
    .replaceAll(/^ETag: .*$/gm, 'ETag: <hash>')
    .replaceAll(/^Date: .*$/gm, 'Date: <date>')
    .replaceAll(/"?\b\d{13}\b"?/g, '"<instant>"')
}

interface Answer {
  readonly text: string
  readonly status: number
  readonly setCookie: string | null
  readonly json: Record<string, unknown>
}

/** Sends the bytes of a request, and gives the bytes of its answer. */
async function exchange(port: number, request: string): Promise<Answer> {
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('utf8').write(request.replaceAll('\n', '\r\n'))
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    const [head = '', body = ''] = text.split('\r\n\r\n')
    const length = Number(/^Content-Length: (\d+)/im.exec(head)?.[1] ?? 0)
    if (text.includes('\r\n\r\n') && Buffer.byteLength(body) >= length) break
  }
  socket.destroy()
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return {
    text: text.replaceAll('\r\n', '\n'),
    status: Number(head.slice(9, 12)),
    setCookie: /^Set-Cookie: (.*)$/im.exec(head)?.[1]?.trim() ?? null,
    json: body.startsWith('{') ? JSON.parse(body) : {},
  }
}

/** As redis-cli prints a reply to a terminal. */
function asRedisCli(values: string[]): string {
  const width = String(values.length).length
  return values.map((value, i) => `${String(i + 1).padStart(width)}) ${JSON.stringify(value)}`).join('\n')
}

describe('the server of the README', () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let client: RedisClient
  let server: Running
  let port: number
  const started: Running[] = []
  const tokens: string[] = []

  const start = async (environment: string) => {
    port = await freePort()
    const env = { REDIS_URL: redis.url, PORT: String(port), NODE_ENV: environment }
    server = sandbox.start('server.ts', env)
    started.push(server)
    await server.listens(port)
  }
  const tokenOf = ({ setCookie }: Answer) => {
    const token = /sid=([\w-]{43});/.exec(setCookie ?? '')?.[1]
    assert.ok(token, `no token in ${setCookie}`)
    tokens.push(token)
    return token
  }
  const send = (method: string, path: string, cookie = '') =>
    exchange(port, `${method} ${path} HTTP/1.1\nHost: shop.example\n${cookie}\n`)
  const get = (path: string, cookie = '') => send('GET', path, cookie)
  const cookieOf = (answer: Answer) => `Cookie: __Host-sid=${tokenOf(answer)}\n`
  const login = async (cookie = '') => cookieOf(await send('POST', '/login', cookie))

  before(async () => {
    sandbox.write('server.ts', program('README.md'))
    redis = await startRedis()
    client = await redis.connect()
    await start('production')
  })
  beforeEach(() => client.flushAll())
  after(async () => {
    await server.stop()
    await redis.stop()
    sandbox.remove()
  })

  test('is 30 lines long at most', () => {
    assert.ok(block('README.md', 'ts', 'A server in 30 lines').trimEnd().split('\n').length <= 30)
  })

  test('answers the request of the README as the README says', async () => {
    const answer = await exchange(port, REQUEST)
    assert.equal(normal(answer.text), normal(RESPONSE))
  })

  test('leaves in Redis what the README shows', async () => {
    const id = idOfToken(tokenOf(await exchange(port, REQUEST)))
    const key = `session:{${id.slice(0, 2)}}:${id.slice(2)}`
    const flat = Object.entries(await client.hGetAll(key)).flat()
    assert.equal(normal(`$ redis-cli HGETALL '${key}'\n${asRedisCli(flat)}`), normal(HGETALL))
    await assertEveryKeyExpires(client)
    await assertNoToken(client, tokens)
  })

  test('the token, the id and the key that the README shows belong together', () => {
    const token = /sid=([\w-]{43});/.exec(RESPONSE)?.[1]
    const id = /\(here `([\w-]{24})`\)/.exec(README)?.[1]
    const [, tag, rest] = /session:\{(\w\w)\}:([\w-]{22})/.exec(HGETALL) ?? []
    assert.equal(idOfToken(token!), id)
    assert.equal(`${tag}${rest}`, id)
  })

  test('goes on with the session after a login, with another token, and ends it with the logout', async () => {
    const visitor = cookieOf(await exchange(port, REQUEST))
    assert.equal((await exchange(port, REQUEST.replace('\n\n', `\n${visitor}\n`))).json.views, 2)
    assert.deepEqual([(await get('/profile', visitor)).status, (await get('/devices', visitor)).status], [401, 401])

    const cookie = await login(visitor)
    const profile = await get('/profile', cookie)
    assert.deepEqual(profile.json, { cart: ['umbrella', 'umbrella'], lastItem: 'umbrella', pageViews: 2 })
    assert.equal((await exchange(port, REQUEST.replace('\n\n', `\n${visitor}\n`))).json.views, 1, 'the old token')
    await client.flushAll()

    const user = await login()
    const logout = await send('POST', '/logout', user)
    assert.deepEqual([logout.status, logout.json], [200, { ok: true }])
    assert.match(logout.setCookie!, /^__Host-sid=; Max-Age=0; /)
    assert.deepEqual((await get('/profile', user)).json, { error: 'Authentication required' })
    assert.deepEqual(Object.keys(await redis.dump()), [])
  })

  test('lists the devices as the README shows them', async () => {
    const cookie = await login(cookieOf(await exchange(port, REQUEST)))
    const { text } = await get('/devices', cookie)
    const devices = JSON.parse(text.slice(text.indexOf('\n\n')))
    const shown = JSON.parse(block('README.md', 'json'))
    assert.equal(normal(JSON.stringify(devices)), normal(JSON.stringify(shown)))
    assert.deepEqual(
      [shown[0].deadline - shown[0].createdAt, shown[0].expiresAt - shown[0].createdAt],
      [12 * HOUR, HOUR / 2],
    )
  })

  test('ends one device, the others or all of them, in ten lines', async () => {
    const [own, second, third, fourth] = [await login(), await login(), await login(), await login()]
    const list = async (cookie: string): Promise<{ id: string; current: boolean }[]> => {
      const { text } = await get('/devices', cookie)
      return JSON.parse(text.slice(text.indexOf('\n\n')))
    }
    const idOf = async (cookie: string) => (await list(cookie)).find(({ current }) => current)!.id
    const path = `/devices/${await idOf(second)}`
    assert.deepEqual((await send('DELETE', path, own)).json, { ended: true })
    assert.deepEqual((await send('DELETE', path, own)).json, { ended: false })
    assert.equal((await get('/devices', second)).status, 401)
    assert.deepEqual((await send('DELETE', '/devices/others', own)).json, { ended: 2 })
    assert.deepEqual([(await get('/devices', third)).status, (await get('/devices', fourth)).status], [401, 401])
    assert.equal((await list(own)).length, 1)
    const last = await send('DELETE', '/devices', own)
    assert.deepEqual(last.json, { ended: 1 })
    assert.match(last.setCookie!, /^__Host-sid=; Max-Age=0; /)
    assert.equal((await get('/devices', own)).status, 401)

    const added = block('README.md', 'ts', 'My devices in ten lines').trimEnd().split('\n')
    assert.ok(added.length + 1 <= 10)
  })

  test('sends one command to read a session, and none for a visitor', async () => {
    const cookie = await login()
    const commands = async () => {
      const stats = await client.info('commandstats')
      return [...stats.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)]
        .map(([, name, calls]) => `${name} ${calls}`)
        .filter((line) => !/^(?:info|config)/.test(line))
    }
    await client.configResetStat()
    assert.equal((await get('/profile')).status, 401)
    assert.deepEqual(await commands(), [])
    assert.equal((await get('/profile', cookie)).status, 200)
    assert.deepEqual(await commands(), ['hgetall 1'])
  })

  test('says once why a Secure cookie may not stick, and not where it was started for development', async () => {
    await exchange(port, REQUEST)
    while (!server.stderr.includes('COATCHECK_SECURE_COOKIE')) await pause(10)
    assert.equal(server.stderr.match(/COATCHECK_SECURE_COOKIE/g)?.length, 1)

    const production = server
    await start('development')
    const answer = await exchange(port, REQUEST)
    assert.match(answer.setCookie!, /^sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
    await server.stop()
    assert.equal(server.output, '')
    await production.stop()
    await start('production')
  })

  test('survives the end of Redis, and serves again a moment after it is back', async () => {
    const cookie = cookieOf(await exchange(port, REQUEST))
    await redis.stop()
    const lag = measureLag(() => get('/profile'))
    const began = performance.now()
    const failed = await get('/profile', cookie)
    const took = performance.now() - began
    assert.equal(failed.status, 503)
    assert.ok(took < 1200 + (await lag()), `the answer took ${took} ms, longer than the deadline`)
    const visitor = await get('/profile')
    assert.deepEqual(
      [visitor.status, visitor.json],
      [401, { error: 'Authentication required' }],
      'a visitor is not served',
    )
    assert.equal((await send('POST', '/login')).status, 503)
    assert.equal((await exchange(port, REQUEST)).status, 503)

    redis = await startRedis({ port: redis.port })
    client = await redis.connect()
    const [back, busy] = [performance.now(), measureStall()]
    while ((await exchange(port, REQUEST)).status !== 200) assert.ok(performance.now() - back < 2000 + busy())
  })

  test('no token was printed', () => {
    const printed = started.map(({ output }) => output).join()
    for (const token of tokens) assert.ok(!printed.includes(token))
  })
})

describe('the facts of the README', () => {
  const { version, scripts, engines, peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

  test('its version is that of the package', () => {
    assert.ok(README.includes(`Version ${version} `) && README.includes(`coatcheck-${version}.tgz`))
  })

  test('every promise names tests that would fail if it broke', () => {
    const rows = tableRows(README, 'Promises')
    assert.deepEqual(
      rows.map(([name]) => name),
      ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8', 'P9'],
    )
    for (const [name, , held = ''] of rows) assert.match(held, /\]\(test\/[\w/.-]+\.ts\)/, name)
  })

  test('its commands exist', () => {
    for (const [, script = ''] of block('README.md', 'sh').matchAll(/^npm (\w+)/gm)) assert.ok(scripts[script], script)
  })

  test('the versions that it names are those that the package asks for', () => {
    assert.equal(engines.node, '>=22')
    assert.match(README, /Node 22 or newer/)
    assert.equal(peerDependencies.express, '^4.18.0 || ^5.0.0')
    assert.match(README, /Express 4 or 5/)
  })
})
