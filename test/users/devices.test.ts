import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Request, Response } from 'express'
import { newToken } from '../../src/core/token.ts'
import { type ExpressSessionsOptions, expressSessions } from '../../src/express.ts'
import type { SessionEvent } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { express4, express5, type versions } from '../express/versions.ts'
import { type Scope, serve, Visitor } from '../support/http.ts'
import { Browser, DATA, type Data, idOf, type Options, onEveryStore, sessionsOn } from './world.ts'

const TEST = { timeout: 60_000 }
const CHROME =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36'

onEveryStore("a user's devices", (open) => {
  it('tell what each is, where and when it was used last, and which one asks', TEST, async (t) => {
    const { here, there } = await open(t)
    const laptop = new Browser(here, { userAgent: CHROME, address: '192.0.2.7' })
    const phone = new Browser(there, { address: '2001:db8:1:2::3' })
    const first = await laptop.login('ada', { roles: ['admin'], deviceId: 'serial 1' })
    await pause(2)
    const second = await phone.login('ada', { device: "Ada's phone" })
    await new Browser(here).login('grace')
    await phone.visit((session) => {
      session.data.name = DATA
    })
    const { result: devices } = await laptop.visit((session) => session.devices())
    assert.equal(devices.length, 2)
    const [last, own] = devices
    assert.ok(last && own)
    const { createdAt, lastAccessedAt, deadline, authenticatedAt } = own
    assert.deepEqual(own, {
      id: first,
      userId: 'ada',
      createdAt,
      lastAccessedAt,
      idleTimeout: 1_800_000,
      deadline: createdAt + 43_200_000,
      expiresAt: lastAccessedAt + 1_800_000,
      roles: ['admin'],
      authenticatedAt: createdAt,
      device: 'Chrome on macOS',
      deviceId: 'serial 1',
      ip: '192.0.2.0',
      requestCount: 1,
      current: true,
    })
    assert.ok(lastAccessedAt >= createdAt && authenticatedAt === createdAt && deadline > createdAt)
    assert.deepEqual(
      [last.id, last.device, last.deviceId, last.ip, last.current],
      [second, "Ada's phone", null, '2001:db8:1::', false],
    )
    // The same for who asks from outside, without a session of its own.
    const listed = await there.user('ada').list()
    assert.deepEqual(
      listed,
      devices.map(({ current, ...device }) => device),
    )
    assert.ok(!JSON.stringify(devices).includes(DATA))
    assert.ok(!JSON.stringify(devices).includes(laptop.token ?? ''))
  })

  it('know the one that asks after a rotation, by an old token, and one rotated at the same time', TEST, async (t) => {
    const { here, there } = await open(t)
    const ada = new Browser(here)
    await ada.login('ada')
    await new Browser(here).login('ada')
    const currentOf = async (session: { devices(): Promise<{ id: string; current: boolean }[]> }) =>
      (await session.devices()).filter(({ current }) => current).map(({ id }) => id)
    const old = ada.token
    const { result } = await ada.visit(async (session) => {
      await session.rotate()
      return [await currentOf(session), session.id]
    })
    const id = result[1] as string
    assert.deepEqual(result, [[id], id])
    assert.deepEqual((await ada.visit(currentOf, { token: old })).result, [id])
    // Rotated by another request after this one has read its session.
    const during = await new Browser(there).visit(
      async (session) => {
        await ada.visit((other) => other.rotate())
        return currentOf(session)
      },
      { token: ada.token },
    )
    assert.deepEqual(during.result, [(await ada.visit(idOf)).result])
  })

  it('keep a label and an address that fit, whatever the browser says', TEST, async (t) => {
    const { here } = await open(t)
    const labels: (string | null)[] = []
    for (const [userAgent, device] of [
      ['x'.repeat(100_000), undefined],
      ['Mozilla/5.0 (\u0000\u{1f600}', undefined],
      ['', undefined],
      [CHROME, '\u{1f600}'.repeat(40)],
      [CHROME, 'a\n\t\u0007b  '],
      [CHROME, '\ud800'],
      [CHROME, ''],
    ] as const) {
      const ada = new Browser(here, { userAgent, address: 'nowhere' })
      await ada.login('ada', device === undefined ? {} : { device })
      const [own] = (await ada.visit((session) => session.devices())).result.filter(({ current }) => current)
      assert.equal(own?.ip, null)
      labels.push(own?.device ?? null)
    }
    for (const label of labels) assert.ok(label === null || Buffer.byteLength(label) <= 64, `${label}`)
    assert.deepEqual(labels.slice(3), ['\u{1f600}'.repeat(16), 'a b', '\ufffd', null])
  })

  it('are for users: who is none is told so', TEST, async (t) => {
    const { here } = await open(t)
    const ended = { name: 'SessionEndedError', status: 401 }
    await new Browser(here).visit(async (session) => {
      session.data.name = DATA
      await session.commit()
      await assert.rejects(session.devices(), ended)
      await assert.rejects(session.revoke(idOf(session)), ended)
      await assert.rejects(session.revokeDevice('x'), ended)
      await assert.rejects(session.revokeOthers(), ended)
      await assert.rejects(session.revokeAll(), ended)
    })
  })

  /** Ada on three devices, two of which are the same one to the application, and grace. */
  async function opened(t: Scope, options?: Options) {
    const world = await open(t, options)
    const browsers = Array.from({ length: 4 }, () => new Browser(world.here))
    const [ada, second, third, grace] = browsers as [Browser, Browser, Browser, Browser]
    await ada.login('ada', { deviceId: 'laptop' })
    const other = await second.login('ada', { deviceId: 'phone' })
    await third.login('ada')
    const foreign = await grace.login('grace', { deviceId: 'phone' })
    /** Which of the four are still logged in. */
    const living = async () => {
      const users = await Promise.all(browsers.map((each) => each.visit((session) => session.userId)))
      return users.map(({ result }) => result !== null)
    }
    return { ...world, ada, second, third, grace, other, foreign, living }
  }

  it('are revoked one at a time, only by their own user, and the one that asks keeps its cookie', TEST, async (t) => {
    const { ada, other, foreign, living } = await opened(t)
    for (const id of [foreign, 'x'.repeat(24), '', newToken()]) {
      assert.deepEqual(await ada.visit((session) => session.revoke(id)), { result: false, cookie: 'none' })
    }
    assert.deepEqual(await ada.visit((session) => session.revoke(other)), { result: true, cookie: 'none' })
    assert.deepEqual(await ada.visit((session) => session.revoke(other)), { result: false, cookie: 'none' })
    assert.deepEqual(await living(), [true, false, true, true])
  })

  it('the own one is revoked like a logout, by an id from before a rotation too', TEST, async (t) => {
    for (const rotates of [false, true]) {
      const { ada, living } = await opened(t)
      const { result: id } = await ada.visit(idOf)
      if (rotates) await ada.visit((session) => session.rotate())
      const { result, cookie } = await ada.visit(async (session) => {
        const revoked = await session.revoke(id)
        return [revoked, session.id, session.userId]
      })
      assert.deepEqual([result, cookie], [[true, null, null], 'cleared'])
      assert.deepEqual(await living(), [false, true, true, true])
    }
  })

  it('are revoked by device', TEST, async (t) => {
    const { ada, living } = await opened(t)
    const revoke = (deviceId: string) => ada.visit((session) => session.revokeDevice(deviceId))
    assert.deepEqual(await revoke('no such'), { result: 0, cookie: 'none' })
    assert.deepEqual(await revoke('phone'), { result: 1, cookie: 'none' })
    assert.deepEqual(await living(), [true, false, true, true])
    await assert.rejects(revoke(''), { code: 'ERR_ARGUMENT' })
    assert.deepEqual(await revoke('laptop'), { result: 1, cookie: 'cleared' })
    assert.deepEqual(await living(), [false, false, true, true])
  })

  it(
    'are revoked all but the one that asks, also when it came with a token from before a rotation',
    TEST,
    async (t) => {
      const { ada, living } = await opened(t)
      const { token } = ada
      await ada.visit((session) => session.rotate())
      assert.deepEqual(await ada.visit((session) => session.revokeOthers(), { token }), { result: 2, cookie: 'none' })
      assert.deepEqual(await ada.visit((session) => session.revokeOthers()), { result: 0, cookie: 'none' })
      assert.deepEqual(await living(), [true, false, false, true])
    },
  )

  it('are revoked all, and the one that asks loses its cookie', TEST, async (t) => {
    const { ada, living } = await opened(t)
    assert.deepEqual(await ada.visit((session) => session.revokeAll()), { result: 3, cookie: 'cleared' })
    assert.equal(ada.token, null)
    assert.deepEqual(await living(), [false, false, false, true])
  })

  it('revoked by their user are told with who did it', TEST, async (t) => {
    const { here, ada, other } = await opened(t)
    const events: SessionEvent[] = []
    here.on('revoked', (event) => events.push(event))
    await ada.visit((session) => session.revoke(other))
    await ada.visit((session) => session.revokeOthers())
    await ada.visit((session) => session.revokeAll())
    assert.deepEqual(
      events.map(({ cause, actor, userId }) => [cause, actor, userId]),
      ['revoke', 'others', 'all'].map((cause) => [cause, 'ada', 'ada']),
    )
  })
})

describe('the address of a device, in Express', () => {
  /** What a login by the application keeps of the address, which a proxy has told of. */
  async function kept(
    t: Scope,
    { express }: (typeof versions)[number],
    trust: unknown,
    options: Options,
    forwarded: string,
  ) {
    const sessions = sessionsOn(memoryStore(), options)
    t.after(() => sessions.close())
    const app = express()
    if (trust !== undefined) app.set('trust proxy', trust)
    app.use(expressSessions<Data>(sessions, {} satisfies ExpressSessionsOptions))
    app.post('/login', (req: Request, res: Response, next) => {
      const session = sessions.of(req)
      session
        .login('ada')
        .then(() => session.devices())
        .then((devices) => res.json(devices), next)
    })
    const visitor = new Visitor(t, await serve(t, app))
    const headers = { 'x-forwarded-for': forwarded, 'user-agent': CHROME }
    const [device] = (await visitor.post('/login', { headers })).json
    assert.equal(device.device, 'Chrome on macOS')
    assert.equal(device.current, true)
    return device.ip
  }

  for (const version of [express4, express5]) {
    it(`is that of the client as ${version.name} knows it, shortened unless told otherwise`, TEST, async (t) => {
      const client = '203.0.113.77'
      assert.equal(await kept(t, version, undefined, {}, client), '127.0.0.0')
      assert.equal(await kept(t, version, true, {}, client), '203.0.113.0')
      assert.equal(await kept(t, version, 1, { address: 'full' }, `1.2.3.4, ${client}`), client)
      assert.equal(await kept(t, version, true, { address: 'none' }, client), null)
      assert.equal(await kept(t, version, true, {}, '2001:db8:aaaa:bbbb::1'), '2001:db8:aaaa::')
      assert.equal(await kept(t, version, true, { address: 'full' }, 'unknown'), null)
    })
  }
})
