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
    .replaceAll(/"id":"[\w-]{24}"/g, '"id":"<id>"')
    .replaceAll(/session:\{\w\w\}:[\w-]{22}/g, 'session:<id>')
    .replaceAll(/^ETag: .*$/gm, 'ETag: <hash>')
    .replaceAll(/^Date: .*$/gm, 'Date: <date>')
    .replaceAll(/"\d{13}"/g, '"<instant>"')
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
  const get = (path: string, cookie = '') => exchange(port, `GET ${path} HTTP/1.1\nHost: shop.example\n${cookie}\n`)

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
    assert.ok(program('README.md').trimEnd().split('\n').length <= 30)
  })

  test('answers the request of the README as the README says', async () => {
    const answer = await exchange(port, REQUEST)
    assert.equal(normal(answer.text), normal(RESPONSE))
  })

  test('leaves in Redis what the README shows', async () => {
    const answer = await exchange(port, REQUEST)
    const id = idOfToken(tokenOf(answer))
    assert.equal(answer.json.id, id)
    const key = `session:{${id.slice(0, 2)}}:${id.slice(2)}`
    const flat = Object.entries(await client.hGetAll(key)).flat()
    assert.equal(normal(`$ redis-cli HGETALL '${key}'\n${asRedisCli(flat)}`), normal(HGETALL))
    await assertEveryKeyExpires(client)
    await assertNoToken(client, tokens)
  })

  test('the token, the id and the key that the README shows belong together', () => {
    const token = /sid=([\w-]{43});/.exec(RESPONSE)?.[1]
    const id = /"id":"([\w-]{24})"/.exec(RESPONSE)?.[1]
    const [, tag, rest] = /session:\{(\w\w)\}:([\w-]{22})/.exec(HGETALL) ?? []
    assert.equal(idOfToken(token!), id)
    assert.equal(`${tag}${rest}`, id)
  })

  test('goes on with the session, and ends it with the logout', async () => {
    const token = tokenOf(await exchange(port, REQUEST))
    const cookie = `Cookie: __Host-sid=${token}\n`
    assert.deepEqual((await get('/cart', cookie)).json, { cart: ['umbrella'], added: 1, lastItem: 'umbrella' })
    assert.equal((await exchange(port, REQUEST.replace('\n\n', `\n${cookie}\n`))).json.added, 2)

    const logout = await exchange(port, `POST /logout HTTP/1.1\nHost: shop.example\n${cookie}\n`)
    assert.equal(logout.status, 204)
    assert.match(logout.setCookie!, /^__Host-sid=; Max-Age=0; /)
    assert.deepEqual((await get('/cart', cookie)).json, {})
    assert.deepEqual(Object.keys(await redis.dump()), [])
  })

  test('sends one command to read a session, and none for a visitor', async () => {
    const token = tokenOf(await exchange(port, REQUEST))
    const commands = async () => {
      const stats = await client.info('commandstats')
      return [...stats.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)]
        .map(([, name, calls]) => `${name} ${calls}`)
        .filter((line) => !/^(?:info|config)/.test(line))
    }
    await client.configResetStat()
    await get('/cart')
    assert.deepEqual(await commands(), [])
    await get('/cart', `Cookie: __Host-sid=${token}\n`)
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
    const cookie = `Cookie: __Host-sid=${tokenOf(await exchange(port, REQUEST))}\n`
    await redis.stop()
    const lag = measureLag(() => get('/cart'))
    const began = performance.now()
    const failed = await get('/cart', cookie)
    const took = performance.now() - began
    assert.equal(failed.status, 503)
    assert.ok(took < 1200 + (await lag()), `the answer took ${took} ms, longer than the deadline`)
    assert.equal((await get('/cart')).status, 200, 'a visitor is not served')
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
      ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P9'],
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
