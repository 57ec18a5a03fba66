import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually, type Reply, type Scope, Visitor } from '../support/http.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { type Example, startExample } from './example-process.ts'

// What holds for every connection that ends with its session, whatever is spoken over it.

/** One that is open: its session is being watched. */
interface Connection {
  /** Resolves with how it ended. */
  readonly ended: Promise<string>
  /** Resolves when something has come over it from now on. */
  hear(): Promise<void>
}

export interface Kind {
  /** Of the example. */
  readonly name: string
  /** With the cookies of a device, as a browser would: these may change. Resolves with the status if it is refused. */
  open(scope: Scope, server: Example, device: Pick<Visitor, 'cookies'>): Promise<Connection | number>
  /** How it ends with its session, by cause; and when its server stops. */
  endOf(cause: string): string
  readonly endOfServer: string
}

/** What ends a session, done in another process than the one that has the connection. */
const ENDS: Record<string, { cause: string; end(device: Visitor, other: Visitor): Promise<Reply> }> = {
  'a logout': { cause: 'logout', end: (device) => device.post('/logout') },
  'another device that logs out all others': { cause: 'others', end: (_, other) => other.post('/logout/others') },
  'a logout everywhere': { cause: 'all', end: (_, other) => other.post('/logout/everywhere') },
}

/** What comes at all comes by an event, at once; for a busy machine this is long. */
const SOON = { timeout: 30_000 }

export function connectionsEndWithTheirSession(kind: Kind): void {
  describe(`the example ${kind.name}, in two processes`, { timeout: 120_000 }, () => {
    let redis: RedisServer
    let here: Example
    let there: Example
    const wholeFile: (() => unknown)[] = []

    before(async () => {
      redis = await startRedis()
      const scope = { after: (end: () => unknown) => wholeFile.push(end) }
      const start = () => startExample(scope, kind.name, { REDIS_URL: redis.url, ROTATE_EVERY: '1ms' })
      ;[here, there] = await Promise.all([start(), start()])
    })
    after(async () => {
      for (const end of wholeFile) await end()
      await redis.stop()
    })

    /** Somebody who has logged in there, and has a connection here. */
    async function connected(scope: Scope): Promise<{ device: Visitor; connection: Connection }> {
      const device = await loggedIn(scope, there)
      return { device, connection: await openOf(kind, scope, here, device) }
    }

    for (const [what, { cause, end }] of Object.entries(ENDS)) {
      it(`ends the connection with ${what} in the other process`, SOON, async (t) => {
        const { device, connection } = await connected(t)
        const other = await loggedIn(t, there)
        await connection.hear()
        const begun = performance.now()
        assert.equal((await end(device, other)).status, 204)
        assert.equal(await connection.ended, kind.endOf(cause))
        t.diagnostic(`${Math.round(performance.now() - begun)} ms`)
        assert.equal(await kind.open(t, here, device), 401)
      })
    }

    it('keeps the connection over rotations and another login of the same user', SOON, async (t) => {
      const { device, connection } = await connected(t)
      await rotate(device)
      await device.post('/login')
      await rotate(device)

      // Messages come in order: who has heard of this logout has heard of the rotations.
      const last = await connected(t)
      await last.device.post('/logout')
      await last.connection.ended
      await Promise.race([
        connection.hear(),
        connection.ended.then((how) => assert.fail(`it has ended with a rotation: ${how}`)),
      ])

      assert.equal((await device.post('/logout')).status, 204)
      assert.equal(await connection.ended, kind.endOf('logout'))
    })

    it('leaves the connections of other sessions alone', SOON, async (t) => {
      const [one, two] = [await connected(t), await connected(t)]
      await one.device.post('/logout')
      await one.connection.ended
      await two.connection.hear()
      await two.device.post('/logout')
      assert.equal(await two.connection.ended, kind.endOf('logout'))
    })

    it('refuses visitors', SOON, async (t) => {
      assert.equal(await kind.open(t, here, new Visitor(t, here)), 401)
    })

    it('ends connections when it is told to end, and leaves the session', SOON, async (t) => {
      const third = await startExample(t, kind.name, { REDIS_URL: redis.url })
      const device = await loggedIn(t, there)
      const connection = await openOf(kind, t, third, device)
      const ended = await third.terminate()
      assert.equal(await connection.ended, kind.endOfServer)
      assert.deepEqual(ended, { code: 0, signal: null })
      await openOf(kind, t, here, device)
    })
  })

  describe(`the example ${kind.name}`, { timeout: 60_000 }, () => {
    it('ends the connection with the expiry of its session', SOON, async (t) => {
      const redis = await startRedis()
      t.after(redis.stop)
      const app = await startExample(t, kind.name, { REDIS_URL: redis.url, IDLE_TIMEOUT: '3s' })
      const begun = performance.now()
      const device = await loggedIn(t, app)
      const connection = await openOf(kind, t, app, device)
      assert.equal(await connection.ended, kind.endOf('expired'))
      assert.ok(performance.now() - begun >= 2990, 'it has ended before its session')
      assert.equal(await kind.open(t, app, device), 401)
    })
  })
}

async function loggedIn(scope: Scope, server: Example): Promise<Visitor> {
  const visitor = new Visitor(scope, server)
  assert.equal((await visitor.post('/login')).status, 204)
  return visitor
}

/** A rotation is due with every request, but not twice in a millisecond. */
async function rotate(device: Visitor): Promise<void> {
  const { token } = device
  await eventually(async () => {
    await device.get('/')
    return device.token !== token
  })
}

async function openOf(kind: Kind, scope: Scope, server: Example, device: Visitor): Promise<Connection> {
  const connection = await kind.open(scope, server, device)
  return typeof connection === 'number' ? assert.fail(`refused with ${connection}`) : connection
}
