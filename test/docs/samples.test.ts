import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { readOptions } from '../../src/core/options.ts'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { assertEveryKeyExpires, freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { allPages, codeBlocks, program, readPage, tableRows } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

// The TypeScript of each page is one program. All of them compile; each is run, and does what its page says.

const nameOf = (path: string) =>
  `${path
    .replace(/^docs\//, '')
    .replace(/\.md$/, '')
    .replaceAll('/', '-')}.ts`
// What is generated shows signatures, not programs.
const programs = allPages().filter((path) => !path.startsWith('docs/reference/') && program(path) !== '')

const sandbox = new Sandbox()
let redis: RedisServer

before(async () => {
  for (const path of programs) sandbox.write(nameOf(path), program(path))
  redis = await startRedis()
})
after(async () => {
  await assertEveryKeyExpires(await redis.connect())
  await redis.stop()
  sandbox.remove()
})

test('the samples of every page compile', async () => {
  assert.equal(await sandbox.typeErrors(), '')
})

test('no page has samples that are not run', () => {
  // Those that are not below are in tests of their own names.
  assert.deepEqual(programs, [
    'README.md',
    'docs/cluster.md',
    'docs/express-session-store.md',
    'docs/express.md',
    'docs/failures.md',
    'docs/fastify.md',
    'docs/fetch.md',
    'docs/from-connect-redis.md',
    'docs/guards.md',
    'docs/hono.md',
    'docs/node.md',
    'docs/production.md',
    'docs/redis-guide.md',
    'docs/schema.md',
    'docs/sessions-guide.md',
    'docs/testing.md',
    'docs/users.md',
  ])
})

test('no page has a block that no test looks at', () => {
  const blocks = allPages()
    .filter((path) => !path.startsWith('docs/reference/'))
    .flatMap((path) =>
      codeBlocks(readPage(path))
        .filter(({ language }) => language !== 'ts')
        .map(({ language }) => `${path} ${language}`),
    )
  assert.deepEqual([...new Set(blocks)].sort(), [
    // In readme.test.ts.
    'README.md console',
    'README.md http',
    'README.md json',
    'README.md sh',
    // In from-connect-redis.test.ts.
    'docs/from-connect-redis.md diff',
    // In commands.test.ts.
    'docs/how-it-works.md redis',
    // In production.test.ts.
    'docs/production.md acl',
    // In to-native.test.ts.
    'docs/to-native.md diff',
    'docs/to-native.md typescript',
    // In examples/run.test.ts.
    'examples/README.md sh',
  ])
})

test('a signed-in browser takes three lines', () => {
  const helper = /^async function signedIn.*?^}$/ms.exec(program('docs/testing.md'))?.[0] ?? assert.fail('no helper')
  assert.ok(helper.split('\n').length <= 3)
})

/** Options that a text or a table shows between back-ticks. */
const shownOptions = allPages().flatMap((path) =>
  [...readPage(path).matchAll(/`((?:cookie|idleTimeout|lifetime|store|touch\w*|rotation\w*|reuse\w*): [^`]*)`/g)].map(
    ([, text = '']) => [path, text] as const,
  ),
)

/** Most settings are called as the options that they come from. */
const optionsThatThereAre = [...Object.keys(readOptions({ store: memoryStore() })), 'touchInterval']

for (const [path, text] of shownOptions) {
  test(`${path} shows options that there are: ${text}`, () => {
    const options = new Function(`return ({ ${text} })`)()
    assert.deepEqual(
      Object.keys(options).filter((name) => !optionsThatThereAre.includes(name)),
      [],
    )
    createSessions({ store: memoryStore(), ...options })
  })
}

test('some options are shown in the text', () => {
  assert.ok(shownOptions.length >= 5)
})

for (const path of ['docs/redis-guide.md', 'docs/schema.md', 'docs/sessions-guide.md']) {
  test(`${path} prints what it says`, async () => {
    const expected = [...program(path).matchAll(/console\.log\(.*\/\/ prints (.*)$/gm)].map(([, text]) => text)
    const running = sandbox.start(nameOf(path), { REDIS_URL: redis.url })
    assert.equal(await running.ended, 0, running.output)
    assert.deepEqual(running.stdout.trimEnd().split('\n'), expected)
    assert.equal(running.stderr, '')
  })
}

test('the tests of docs/testing.md pass', async () => {
  const running = sandbox.start('testing.ts', {})
  assert.equal(await running.ended, 0, running.output)
  assert.match(running.stdout, /pass 5\n.*fail 0\n.*skipped 0/s)
})

describe('the app of docs/express.md', () => {
  let app: Running
  let url: string

  before(async () => {
    const port = await freePort()
    app = sandbox.start('express.ts', { REDIS_URL: redis.url, PORT: String(port) })
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  after(() => app.stop())

  const send = (path: string, cookie = '', form?: Record<string, string>) =>
    fetch(url + path, {
      redirect: 'manual',
      headers: { cookie },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
  const cookieOf = (response: Response) => response.headers.getSetCookie().join().split(';')[0] ?? ''

  test('keeps a cart, which outlives the login in a session with another token', async () => {
    const added = await send('/cart', '', { item: 'umbrella' })
    assert.equal(added.status, 303)
    const visitor = cookieOf(added)
    await send('/cart', visitor, { item: 'hat' })

    const login = await send('/login', visitor, { username: 'andrew' })
    const user = cookieOf(login)
    assert.equal(login.headers.getSetCookie().length, 1)
    assert.notEqual(user, visitor)
    assert.deepEqual(await (await send('/cart', user)).json(), ['umbrella', 'hat'])
    assert.deepEqual(await (await send('/cart', visitor)).json(), [], 'the old token is still good')

    const logout = await send('/logout', user, {})
    assert.match(logout.headers.getSetCookie().join(), /^sid=; Max-Age=0;/)
    assert.deepEqual(await (await send('/cart', user)).json(), [])
  })

  test('logs a visitor in who has no session yet', async () => {
    const user = cookieOf(await send('/login', '', { username: 'andrew' }))
    assert.match(user, /^sid=[\w-]{43}$/)
  })

  test('commits a profile before it says so', async () => {
    const response = await send('/profile', '', { username: 'andrew' })
    assert.equal(await response.text(), 'Saved.')
    assert.match(cookieOf(response), /^sid=/)
  })

  test('discards the change of a handler that throws, and answers with the error handler', async () => {
    const cookie = cookieOf(await send('/cart', '', { item: 'umbrella' }))
    const response = await send('/fails', cookie, {})
    assert.equal(response.status, 500)
    assert.deepEqual(await response.json(), { error: 'ERR_UNKNOWN' })
    assert.deepEqual(response.headers.getSetCookie(), [])
    const client = await redis.connect()
    const sessions = Object.values(await redis.dump()).filter((value) => !Array.isArray(value))
    assert.ok(!JSON.stringify(sessions).includes('nobody'))
    client.destroy()
  })

  test('counts in the open event stream', async () => {
    const first = await send('/events')
    assert.equal(await first.text(), 'data: 1\n\ndata: 2\n\ndata: 3\n\n')
    const again = await send('/events', cookieOf(first))
    assert.equal(await again.text(), 'data: 4\n\ndata: 5\n\ndata: 6\n\n')
  })

  test('has no warning to give', () => {
    assert.equal(app.output, '')
  })
})

describe('the app of docs/guards.md', () => {
  let app: Running
  let url: string
  let user: string

  before(async () => {
    const client = await redis.connect()
    const sessions = createSessions({ store: redisStore(client) })
    const { token, id } = await sessions.create({ plan: 'pro', orders: ['7'] }, { userId: 'u42' })
    const at = String(Date.now() - 3_600_000)
    await client.hSet(`session:{${id.slice(0, 2)}}:${id.slice(2)}`, { roles: '["support"]', authenticated_at: at })
    user = `sid=${token}`
    client.destroy()
    const port = await freePort()
    app = sandbox.start('guards.ts', { REDIS_URL: redis.url, PORT: String(port) })
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  after(() => app.stop())

  const send = (path: string, cookie: string, init: RequestInit = {}) =>
    fetch(url + path, { redirect: 'manual', ...init, headers: { cookie, ...init.headers } })
  const said = async (response: Response) => `${response.status} ${await response.text()}`
  const table = tableRows(readPage('docs/guards.md'), 'Who may pass')

  /** An answer as the table says it, by the name of the guard. */
  const printed = (guard: string) => {
    const cell = table.find(([name]) => name?.includes(guard))?.[2] ?? ''
    return /^\d+ `[^`]*`/.exec(cell)?.[0].replaceAll('`', '')
  }

  test('lets the user pass where the page says so', async () => {
    assert.equal(await said(await send('/profile', user)), '200 {"user":"u42"}')
    assert.equal(await said(await send('/admin', user)), '200 Everything.')
    assert.equal(await said(await send('/beta', user)), '200 New things.')
    assert.equal(await said(await send('/orders/7', user)), '200 Order 7')
    assert.equal(await said(await send('/account', user)), '200 Your account.')
  })

  test('refuses with the answers of the table', async () => {
    assert.equal(await said(await send('/profile', '')), printed('requireUser'))
    assert.equal(await said(await send('/admin', '')), printed('requireUser'))
    assert.equal(await said(await send('/password', user, { method: 'POST' })), printed('requireRecentLogin'))
    assert.equal(await said(await send('/password', '', { method: 'POST' })), printed('requireUser'))
    assert.equal(await said(await send('/beta', '')), printed('requireThat'))
    assert.equal(await said(await send('/orders/8', user)), printed('requireThat'))
    assert.equal(printed('requireRole'), printed('requireThat'))
    const crossSite = { method: 'POST', headers: { 'sec-fetch-site': 'same-site' } }
    assert.equal(await said(await send('/password', user, crossSite)), printed('sameOrigin'))
  })

  test('leaves other answers to onRefused', async () => {
    const page = await send('/account/orders', '', { headers: { accept: 'text/html' } })
    assert.equal(page.status, 303)
    assert.equal(page.headers.get('location'), '/login?return-to=%2Faccount%2Forders')
    assert.equal(await said(await send('/account', '')), printed('requireUser'))
    assert.equal(await said(await send('/office', user)), '403 ERR_FORBIDDEN')
  })

  test('goes back after the login, and to no other site', async () => {
    const to = async (way: string) => (await send(`/login${way}`, '', { method: 'POST' })).headers.get('location')
    assert.equal(await to('?return-to=%2Fprofile'), '/profile')
    assert.equal(await to('?return-to=%2F%2Fevil.example'), '/account')
    assert.equal(await to(''), '/account')
  })

  test('has staff of its own', async () => {
    assert.equal(await said(await send('/staff', user)), printed('requireUser'))
  })

  test('has no warning to give', () => {
    assert.equal(app.output, '')
  })
})

describe('the app of docs/production.md', () => {
  test('finishes the requests that it has, closes its connections and ends when it is asked to', async () => {
    const port = await freePort()
    const app = sandbox.start('production.ts', { REDIS_URL: redis.url, PORT: String(port) })
    await app.listens(port)
    // Ready when the first answer is there, under way when the second has reached the app.
    const slow = fetch(`http://127.0.0.1:${port}/slow`)
    while (!app.stdout.includes('working')) await pause(10)
    app.signal('SIGTERM')
    assert.equal(await (await slow).text(), 'done')
    assert.equal(await app.ended, 0, app.output)
  })
})
