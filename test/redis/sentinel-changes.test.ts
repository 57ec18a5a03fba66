import assert from 'node:assert/strict'
import type { EventEmitter } from 'node:events'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type Sessions, type SessionsOptions, StoreError } from '../../src/index.ts'
import { connectionOf } from '../../src/redis/clients/clients.ts'
import { redisStore } from '../../src/redis.ts'
import { eventually } from '../support/http.ts'
import { type RedisSentinels, startSentinels } from '../support/redis-sentinel.ts'
import { freePort, startRedis } from '../support/redis-server.ts'
import { assertCountedOnce } from './counted-once.ts'
import { clientsToTry, type NewManyClient, SENTINEL_CLIENTS } from './many-clients.ts'
import { keysOf, newPrefix } from './support.ts'

const { EVERY_CLIENT } = process.env

interface Data {
  views: number
}

// What a store does while Sentinels make one server after the other the master.

for (const [name, newClient] of clientsToTry(SENTINEL_CLIENTS)) {
  describe(`with Sentinels and ${name}, a session`, { timeout: 120_000 }, () => {
    let sentinels: RedisSentinels
    before(async () => {
      sentinels = await startSentinels()
    })
    after(() => sentinels.stop())

    it('is one of 500 that are asked for at once, in no time', async (t) => {
      const { sessions } = await open(t, sentinels, newClient)
      const created = await Promise.all(Array.from({ length: 500 }, (_, views) => sessions.create({ views })))
      const loaded = await Promise.all(created.map(({ token }) => sessions.load(token)))
      assert.deepEqual(
        loaded.map((session) => session?.data.views),
        created.map((_, i) => i),
      )
      assert.equal(await sessions.count(), 500)
    })

    it('whose connection is killed again and again counts no increment twice', async (t) => {
      const { sessions } = await open(t, sentinels, newClient)
      const { token } = await sessions.create({ views: 0 })
      const { client } = await sentinels.master()
      await assertCountedOnce(sessions, token, () =>
        client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']),
      )
    })

    // Long: a client of node-redis follows only once the Sentinels have done all that a failover takes.
    for (const what of EVERY_CLIENT ? (['killMaster', 'failOver'] as const) : (['killMaster'] as const)) {
      it(`lives on at another master (${what}), is heard of there, and waits for it no longer than its deadline`, async (t) => {
        const { sessions, also, prefix } = await open(t, sentinels, newClient)
        const hasty = also({ storeTimeout: 100 })
        const isHeard = listener(sessions, also())
        await isHeard()

        /** Waits until what is written goes to the new master: the old one may live on, and take writes until it is told. */
        const isServed = () =>
          eventually(async () => {
            const created = await sessions.create().catch(typed)
            if (created instanceof StoreError) return false
            return (await (await sentinels.master()).client.exists(keysOf(prefix, created.id).session)) === 1
          })

        const { token } = await sessions.create({ views: 0 })
        // The replicas have it.
        await (await sentinels.master()).client.sendCommand(['WAIT', '1', '5000'])
        const over = sentinels[what]()
        let refused = 0
        let done = false
        const isOver = () => {
          done = true
        }
        over.then(isOver, isOver)
        while (!done) {
          await pause(10)
          const started = performance.now()
          const failure = await hasty.peek(token).then(() => null, typed)
          if (failure === null) continue
          refused++
          assert.ok(performance.now() - started < 100 + 2000, 'a busy machine is late by less than this')
        }
        await over
        // While the old one lives it may go without a gap.
        assert.ok(refused > 0 || what === 'failOver', 'nobody was refused: this proves nothing')
        await isServed()
        assert.equal(await sessions.increment(token, 'views'), 1)
        await isHeard()
      })
    }

    if (!name.startsWith('node-redis')) {
      it('lives on, and is heard of, though its client hears of a failover just while it asks for the master', async (t) => {
        const { sessions, also, client } = await open(t, sentinels, newClient)
        const asking = client as unknown as Asking
        const clients = [asking]
        t.mock.method(asking, 'duplicate', (options: object) => {
          clients.push(Object.getPrototypeOf(asking).duplicate.call(asking, options))
          return clients.at(-1)
        })
        const isHeard = listener(sessions, also())
        await isHeard()
        assert.equal(clients.length, 2, 'one of them listens')
        for (const each of clients) {
          const ended = new Promise((resolve) => each.once('end', resolve))
          // What it does itself on hearing of it.
          each.once('connecting', () => each.connector.disconnect())
          each.disconnect(true)
          await ended
        }
        await isHeard()
      })
    }

    it('has its time from the server that it is at', async (t) => {
      const { sessions, client } = await open(t, sentinels, newClient)
      await sessions.create()
      const connection = connectionOf(client as never)
      const before = connection.serverOf()
      assert.equal(connection.serverOf(), before)
      // Who is there when it comes back may have another clock.
      const { client: direct } = await sentinels.master()
      await direct.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
      await eventually(() =>
        sessions.create().then(
          () => connection.serverOf() !== before,
          () => false,
        ),
      )
      assert.notEqual(connection.serverOf(), null)
    })

    it('is not said to have ended by a server that is back as a replica, and has nothing yet', async (t) => {
      const own = await startSentinels()
      t.after(() => own.stop())
      const { sessions, also, prefix } = await open(t, own, newClient)
      const hasty = also({ storeTimeout: 300 })
      const { token, id } = await sessions.create({ views: 0 })
      const { server, client } = await own.master()
      const nobody = await freePort()
      process.kill(server.pid, 'SIGKILL')
      while (client.isReady) await pause(5)
      const again = await startRedis({ port: server.port, args: ['--replicaof', `127.0.0.1 ${nobody}`] })
      t.after(() => again.stop())
      while (!client.isReady) await pause(5)
      // Whoever connects there finds nothing.
      assert.equal(await client.exists(keysOf(prefix, id).session), 0)
      for (const until = performance.now() + 1000; performance.now() < until; ) {
        const found = await hasty.load(token).catch(typed)
        assert.ok(found instanceof StoreError, 'a session of a replica')
      }
      // The Sentinels' master again, though it has lost everything.
      await client.sendCommand(['REPLICAOF', 'NO', 'ONE'])
      assert.equal(await sessions.load(token), null)
    })

    it('costs no trace: a store closes, and its client with it', async (t) => {
      const { sessions, client } = await open(t, sentinels, newClient)
      const listeners = () => client.eventNames().map((event) => client.listenerCount(event))
      await sessions.create()
      const before = listeners()
      for (let i = 0; i < 20; i++) await redisStore(client as never).close()
      assert.deepEqual(listeners(), before)
    })
  })
}

/** A client that asks Sentinels, and what it connects by. */
interface Asking extends EventEmitter {
  readonly connector: { disconnect(): void }
  disconnect(reconnect: boolean): void
  duplicate(options: object): Asking
}

type Options = Omit<SessionsOptions, 'store' | 'schema'>

/** Sessions on a client of their own, until the test is over. */
async function open(t: TestContext, { urls }: RedisSentinels, newClient: NewManyClient) {
  const made = newClient(urls)
  t.after(() => made.destroy())
  await made.connect()
  const prefix = newPrefix()
  const also = (options: Options = {}): Sessions<Data> => {
    const store = redisStore(made.client, { prefix })
    const sessions = createSessions<Data>({ store, storeTimeout: '20s', ...options })
    t.after(() => sessions.close())
    return sessions
  }
  const client = made.client as unknown as {
    eventNames(): (string | symbol)[]
    listenerCount(event: string | symbol): number
  }
  return { sessions: also(), also, prefix, client }
}

/** What waits until one hears of what the other does. */
function listener(sessions: Sessions<Data>, other: Sessions<Data>): () => Promise<void> {
  const heard: string[] = []
  other.on('created', ({ id }) => heard.push(String(id)))
  return () =>
    eventually(async () => {
      const { id } = await sessions.create()
      await pause(20)
      return heard.includes(id)
    })
}

function typed(error: unknown): StoreError {
  assert.ok(error instanceof StoreError, String(error))
  return error
}
