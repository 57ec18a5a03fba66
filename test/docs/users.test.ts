import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import {
  assertEveryKeyExpires,
  assertNoToken,
  freePort,
  type RedisClient,
  type RedisServer,
  startRedis,
} from '../support/redis-server.ts'
import { program } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

// The app of docs/users.md, as its users and their browsers see it.

interface Device {
  id: string
  userId: string
  device: string | null
  deviceId: string | null
  ip: string | null
  requestCount: number
  current: boolean
}

const CHROME =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'

describe('the app of docs/users.md', () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let client: RedisClient
  let app: Running
  let url: string
  const tokens: string[] = []

  /** Somebody's browser. */
  class Browser {
    cookie = ''
    setCookie = ''

    async send(method: string, path: string, body?: object): Promise<Response> {
      const response = await fetch(url + path, {
        method,
        headers: { cookie: this.cookie, 'user-agent': CHROME, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      })
      this.setCookie = response.headers.getSetCookie().join()
      const token = /^sid=([\w-]{43});/.exec(this.setCookie)?.[1]
      if (token !== undefined) {
        tokens.push(token)
        this.cookie = `sid=${token}`
      }
      return response
    }

    async json(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
      return (await this.send(method, path, body)).json() as Promise<Record<string, unknown>>
    }

    async login(username: string, more: object = {}): Promise<this> {
      const response = await this.send('POST', '/login', { username, password: `${username}'s password`, ...more })
      assert.equal(response.status, 200, await response.text())
      return this
    }

    async devices(): Promise<Device[]> {
      return (await this.json('GET', '/sessions')).sessions as Device[]
    }

    async isIn(): Promise<boolean> {
      return (await this.send('GET', '/sessions')).status === 200
    }
  }

  before(async () => {
    redis = await startRedis()
    client = await redis.connect()
    const port = await freePort()
    app = sandbox.start(sandbox.write('users.ts', program('docs/users.md')), {
      REDIS_URL: redis.url,
      PORT: String(port),
    })
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  beforeEach(async () => {
    await client.flushAll()
  })
  after(async () => {
    await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  test('logs in whom the password check finds, with another token each time', async () => {
    const ada = new Browser()
    const refused = await ada.send('POST', '/login', { username: 'ada', password: 'wrong' })
    assert.deepEqual([refused.status, await refused.json()], [401, { message: 'Invalid credentials' }])
    assert.equal((await ada.send('GET', '/sessions')).status, 401)
    await ada.login('ada')
    const { cookie } = ada
    await ada.login('ada')
    assert.notEqual(ada.cookie, cookie)
    assert.equal((await ada.devices()).length, 1)
    const thief = new Browser()
    thief.cookie = cookie
    assert.equal(await thief.isIn(), false)
    assert.match(ada.setCookie, /^$/)
  })

  test('lists the devices, one session for each deviceId', async () => {
    const [first, phone, again] = [new Browser(), new Browser(), new Browser()]
    await first.login('ada')
    await phone.login('ada', { deviceId: 'phone' })
    await again.login('ada', { deviceId: 'phone' })
    assert.equal(await phone.isIn(), false)
    const devices = await again.devices()
    assert.deepEqual(
      devices.map(({ userId, device, deviceId, ip, current }) => ({ userId, device, deviceId, ip, current })),
      [
        { userId: 'user:ada', device: 'Chrome on macOS', deviceId: 'phone', ip: '127.0.0.0', current: true },
        { userId: 'user:ada', device: 'Chrome on macOS', deviceId: null, ip: '127.0.0.0', current: false },
      ],
    )
    for (const token of tokens) assert.ok(!JSON.stringify(devices).includes(token))
  })

  test('has a cookie that the browser keeps only for who asked to be remembered', async () => {
    const ada = await new Browser().login('ada', { remember: true })
    assert.match(ada.setCookie, /Max-Age=2592000;/)
    await ada.login('ada')
    assert.doesNotMatch(ada.setCookie, /Max-Age/)
  })

  test('ends a session only for its own user', async () => {
    const [ada, other, grace] = [new Browser(), new Browser(), new Browser()]
    await Promise.all([ada.login('ada'), other.login('ada'), grace.login('grace')])
    const [own, another] = await ada.devices()
    const id = (own!.current ? another : own)!.id
    assert.deepEqual(await grace.json('DELETE', `/sessions/${id}`), { ended: false })
    assert.equal(await other.isIn(), true)
    assert.deepEqual(await ada.json('DELETE', `/sessions/${id}`), { ended: true })
    assert.equal(await other.isIn(), false)
    assert.equal((await ada.send('DELETE', `/sessions/${id}`)).status, 404)
    assert.equal((await ada.send('DELETE', '/sessions/nonsense')).status, 404)
  })

  test('logs out of a device, of the others, and everywhere', async () => {
    const [ada, phone, tablet, grace] = [new Browser(), new Browser(), new Browser(), new Browser()]
    await Promise.all([ada.login('ada'), phone.login('ada', { deviceId: 'phone' }), grace.login('grace')])
    assert.deepEqual(await ada.json('DELETE', '/devices/phone'), { ended: 1 })
    assert.deepEqual([await phone.isIn(), await ada.isIn()], [false, true])
    await tablet.login('ada')
    assert.deepEqual(await ada.json('POST', '/logout-others'), { ended: 1 })
    assert.deepEqual([await tablet.isIn(), await ada.isIn()], [false, true])
    await tablet.login('ada')
    assert.deepEqual(await ada.json('POST', '/logout-everywhere'), { ended: 2 })
    assert.match(ada.setCookie, /^sid=; Max-Age=0/)
    assert.deepEqual([await tablet.isIn(), await ada.isIn(), await grace.isIn()], [false, false, true])
    assert.deepEqual(await grace.json('POST', '/logout'), { message: 'Logged out' })
    assert.equal(await grace.isIn(), false)
  })

  test('keeps to the limit: a further login ends the oldest session', async () => {
    const browsers = Array.from({ length: 6 }, () => new Browser())
    for (const browser of browsers) {
      await browser.login('ada')
      // The oldest is told by the millisecond.
      await pause(2)
    }
    const inside = await Promise.all(browsers.map((browser) => browser.isIn()))
    assert.deepEqual(inside, [false, true, true, true, true, true])
  })

  test('changes the roles of all sessions of a user, and of one', async () => {
    const [grace, ada, other] = [new Browser(), new Browser(), new Browser()]
    await Promise.all([grace.login('grace'), ada.login('ada'), other.login('ada')])
    assert.equal((await ada.send('GET', '/admin')).status, 403)
    assert.deepEqual(await grace.json('PUT', '/admin/roles/user:ada', { roles: ['admin'] }), { changed: 2 })
    assert.deepEqual([(await ada.send('GET', '/admin')).status, (await other.send('GET', '/admin')).status], [200, 200])
    const { cookie } = other
    assert.deepEqual(await other.json('POST', '/become-support'), { roles: ['support'] })
    assert.notEqual(other.cookie, cookie)
    assert.equal((await other.send('GET', '/admin')).status, 403)
    const thief = new Browser()
    thief.cookie = cookie
    assert.equal((await thief.send('GET', '/admin')).status, 401)
  })

  test('lets an administrator end a user, and everybody', async () => {
    const [grace, ada, linus] = [new Browser(), new Browser(), new Browser()]
    await Promise.all([grace.login('grace'), ada.login('ada'), linus.login('linus')])
    assert.deepEqual(await grace.json('POST', '/admin/disable/user:ada'), { ended: 1 })
    assert.deepEqual([await ada.isIn(), await linus.isIn()], [false, true])
    assert.deepEqual(await grace.json('POST', '/admin/revoke-everyone'), { ended: 2 })
    assert.deepEqual([await grace.isIn(), await linus.isIn()], [false, false])
  })

  test('tells an open tab that its session has ended elsewhere, and why', async () => {
    const [ada, other] = [await new Browser().login('ada'), await new Browser().login('ada')]
    const stream = await ada.send('GET', '/events')
    const reader = stream
      .body!.pipeThrough(new TextDecoderStream() as never)
      .getReader() as ReadableStreamDefaultReader<string>
    let heard = ''
    while (!heard.includes('watching')) heard += (await reader.read()).value
    // Also over a rotation, and from another process: this one.
    const elsewhere = createSessions({ store: redisStore(client) })
    const current = (await ada.devices()).find((device) => device.current)!
    const [token] = tokens.slice(-2)
    const rotated = await elsewhere.rotate(token!)
    assert.notEqual(rotated.id, current.id)
    await other.send('POST', '/logout-others')
    for (let read = await reader.read(); !read.done; read = await reader.read()) heard += read.value
    assert.match(heard, /event: ended\ndata: \{"cause":"others"\}\n\n$/)
    await elsewhere.close()
  })

  test('prints the events', async () => {
    const [ada, grace] = [await new Browser().login('ada'), await new Browser().login('grace')]
    const [session] = await ada.devices()
    await grace.send('POST', '/admin/disable/user:ada')
    const lines = [
      `login user:ada: session ${session!.id}, before none, login, here: true`,
      'revoked user:ada: all, by user:grace',
    ]
    for (const line of lines) while (!app.stdout.includes(line)) await pause(5)
    assert.equal(app.stderr, '')
  })

  test('counts, and lists the sessions page by page', async () => {
    const [grace, ada, linus] = [new Browser(), new Browser(), new Browser()]
    for (const [browser, name] of [
      [grace, 'grace'],
      [ada, 'ada'],
      [linus, 'linus'],
    ] as const) {
      await browser.login(name)
      // So that one was accessed after the other.
      await pause(2)
    }
    const { logins, ...stats } = await grace.json('GET', '/admin/sessions/stats')
    assert.deepEqual(stats, { active: 3, guests: 0, members: 3, users: 3, minute: 3, hour: 3 })
    assert.ok(Number(logins) >= 3)
    const page = async (query = '') =>
      (await grace.send('GET', `/admin/sessions${query}`)).json() as Promise<
        { id: string; lastAccessedAt: number; name: string }[]
      >
    const first = await page()
    const { id, lastAccessedAt } = first.at(-1)!
    const second = await page(`?id=${id}&at=${lastAccessedAt}`)
    assert.deepEqual([...first, ...second].map(({ name }) => name).sort(), ['ada', 'grace', 'linus'])
  })

  test('leaves no token anywhere, and no key without an end', async () => {
    await new Browser().login('ada')
    await assertEveryKeyExpires(client)
    await assertNoToken(client, tokens)
    for (const token of tokens) assert.ok(!app.output.includes(token))
  })
})

describe('what docs/users.md says of logins', () => {
  const open = (options: object = {}) => createSessions({ store: memoryStore(), cookie: { secure: false }, ...options })
  const request = async (sessions: ReturnType<typeof open>, token?: string) => {
    const req = {}
    await sessions.openRequest(req, token && `sid=${token}`)
    return sessions.of(req)
  }

  test('one that began before the user was logged out everywhere is refused, but not in the request that did it', async () => {
    const sessions = open()
    const early = await request(sessions)
    const own = await request(sessions, (await sessions.create({}, { userId: 'ada' })).token)
    assert.equal(await own.revokeAll(), 1)
    const revoked = { code: 'ERR_LOGIN_REVOKED', status: 401 }
    await assert.rejects(early.login('ada'), revoked)
    await own.login('ada')
    await early.login('grace')
    await (await request(sessions)).login('ada')
    assert.equal(await sessions.count(), 3)
    const reset = await request(sessions)
    await sessions.user('ada').revokeAll()
    await assert.rejects(reset.login('ada'), revoked)
  })

  test('beyond the limit it is refused where that is asked for, and nothing has changed', async () => {
    const sessions = open({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    const { token } = await sessions.create({ cart: ['umbrella'] })
    await sessions.create({}, { userId: 'ada' })
    const session = await request(sessions, token)
    await assert.rejects(session.login('ada'), { code: 'ERR_USER_LIMIT', status: 403 })
    assert.deepEqual((await sessions.peek(token))?.data, { cart: ['umbrella'] })
  })

  test('the data goes along, unless the user changes or it is to be dropped', async () => {
    const sessions = open()
    const visitor = async () => request(sessions, (await sessions.create({ cart: ['umbrella'] })).token)
    const ada = await visitor()
    await ada.login('ada')
    assert.deepEqual(ada.data, { cart: ['umbrella'] })
    await ada.login('grace')
    assert.deepEqual([ada.userId, ada.data], ['grace', {}])
    const dropped = await visitor()
    await dropped.login('ada', { data: 'drop' })
    assert.deepEqual(dropped.data, {})
  })
})
