import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import express from 'express'
import { expressSessions } from '../../src/express.ts'
import { createSessions, type SessionEnd, type Sessions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { eventually, serve, Visitor } from '../support/http.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { type AnyClient, CLIENTS } from './clients.ts'

// What is left when Redis is killed and started again, by what it keeps on its disk.

const KILLS = Number(process.env.REDIS_KILLS ?? 2)
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always']
const EVERYSEC = ['--appendonly', 'yes', '--appendfsync', 'everysec']

type Data = { writes: number }

interface Kept {
  readonly sessions: Sessions<Data>
  readonly client: AnyClient
  /** Kills Redis; starts it again on what it has kept, or on what stood in another folder. */
  restart(from?: string): Promise<void>
  /** What is on the disk now, as it would be after a loss of power. */
  copyOfDisk(): string
  server(): RedisServer
}

/** Sessions in a Redis that is at the same place when it is started again. */
async function open(t: TestContext, newClient: (url: string) => AnyClient, args: readonly string[]): Promise<Kept> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-restart-'))
  let dir = mkdtempSync(join(folder, 'first-'))
  let server = await startRedis({ args, dir })
  const client = newClient(server.url)
  await client.connect()
  const sessions = createSessions<Data>({ store: redisStore(client.client), storeTimeout: '5s' })
  t.after(async () => {
    await sessions.close()
    client.destroy()
    await server.stop()
    rmSync(folder, { recursive: true })
  })
  let copies = 0
  return {
    sessions,
    client,
    server: () => server,
    async restart(from = dir) {
      const { port } = server
      process.kill(server.pid, 'SIGKILL')
      await server.stop()
      dir = from
      server = await startRedis({ args, dir, port })
    },
    copyOfDisk() {
      const copy = join(folder, `copy-${copies++}`)
      cpSync(dir, copy, { recursive: true })
      return copy
    },
  }
}

const newClients = Object.entries(CLIENTS).filter(([name]) => ['node-redis 6', 'ioredis 6'].includes(name))

for (const [name, newClient] of newClients) {
  describe(`with ${name}, when Redis is killed and started again`, { timeout: 60_000 + KILLS * 10_000 }, () => {
    it("with appendfsync 'always', nothing that was acknowledged is lost, and no logout undone", async (t) => {
      const { sessions, client, restart } = await open(t, newClient, ALWAYS)
      const seen = { logins: 0, logouts: 0, failed: 0 }
      for (let kill = 0; kill < KILLS; kill++) {
        const load = users(sessions, `${kill}`)
        await load.busy()
        await restart()
        // ioredis takes its time where it has met a server that was still loading.
        while (!client.isReady) await pause(5)
        const all = await load.stop()
        seen.failed += load.failed()
        for (const { token, userId, writes, ended } of all) {
          const found = await sessions.load(token as never)
          if (ended === 'yes') {
            seen.logouts++
            assert.equal(found, null, 'a session is back that was logged out')
          } else if (ended === 'no') {
            seen.logins++
            assert.equal(found?.userId, userId, 'a session is lost')
            assert.ok((found?.data.writes ?? 0) >= writes, 'a write is lost')
          }
        }
      }
      t.diagnostic(JSON.stringify(seen))
      assert.ok(seen.logins > 0 && seen.logouts > 0 && seen.failed > 0, 'it proves nothing')
    })

    it('with nothing on its disk, all are visitors again, and everything goes on', async (t) => {
      const { sessions, client, restart, server } = await open(t, newClient, [])
      const app = express()
      app.use(expressSessions(sessions))
      app.post('/login', async (req, res) => {
        await sessions.of(req).login('ada')
        res.json({})
      })
      app.get('/', (req, res) => void res.json({ user: sessions.of(req).userId }))
      const site = await serve(t, app)
      const visitor = new Visitor(t, site)
      await visitor.post('/login')
      const before = visitor.token ?? assert.fail('no cookie')
      const [session] = await sessions.user('ada').list()

      const ends: SessionEnd[] = []
      const created: (string | null)[] = []
      await sessions.watch(session?.id ?? '', (end) => ends.push(end))
      sessions.on('created', ({ id }) => created.push(id))
      await restart()
      while (!client.isReady) await pause(5)

      const seen = await visitor.get('/')
      assert.deepEqual([seen.status, seen.json, seen.cookies], [200, { user: null }, []])
      // The browser keeps its cookie, which leads nowhere, until the next login.
      assert.equal(visitor.token, before)
      assert.deepEqual(
        [await sessions.count(), await sessions.recent(), await sessions.user('ada').list()],
        [0, [], []],
      )
      const { process: _, ...counts } = await sessions.stats()
      assert.deepEqual(counts, { active: 0, guests: 0, members: 0, users: 0 })
      assert.equal(await sessions.user('ada').revokeAll(), 0)
      assert.equal((await visitor.post('/login')).status, 200)
      assert.notEqual(visitor.token, before)
      assert.deepEqual((await visitor.get('/')).json, { user: 'ada' })
      assert.equal(await sessions.count(), 1)

      // What others do is heard again, and who watched a session hears that it has ended.
      const other = createSessions({ store: redisStore(await server().connect()) })
      t.after(() => other.close())
      await eventually(async () => {
        const { id } = await other.create()
        await pause(20)
        return created.includes(id)
      })
      await eventually(async () => ends.length > 0)
      assert.deepEqual(
        ends.map(({ id }) => id),
        [session?.id],
      )
    })
  })
}

describe('what Redis may lose or bring back', { timeout: 60_000 }, () => {
  const newClient = CLIENTS['node-redis 6'] as (url: string) => AnyClient

  /** Sessions of a user, one of them logged out, one with a write, and another user's who is logged out everywhere: after `kept`. */
  async function story(sessions: Sessions<Data>, kept: () => unknown) {
    const [ended, written] = [
      await sessions.create({}, { userId: 'ada' }),
      await sessions.create({}, { userId: 'ada' }),
    ]
    await sessions.create({}, { userId: 'bob' })
    await kept()
    await sessions.destroy(ended.token)
    await sessions.increment(written.token, 'writes')
    assert.equal(await sessions.user('bob').revokeAll(), 1)
    const late = await sessions.create({}, { userId: 'carol' })
    return async () => ({
      ended: (await sessions.load(ended.token)) !== null,
      writes: (await sessions.load(written.token))?.data.writes ?? 0,
      revoked: (await sessions.user('bob').list()).length,
      late: (await sessions.load(late.token)) !== null,
    })
  }
  const ALL_UNDONE = { ended: true, writes: 0, revoked: 1, late: false }
  const ALL_KEPT = { ended: false, writes: 1, revoked: 0, late: true }

  it('with snapshots only: everything since the last one, so that logouts are undone', async (t) => {
    const { sessions, restart, server } = await open(t, newClient, [])
    const found = await story(sessions, async () => (await server().connect()).sendCommand(['SAVE']))
    await restart()
    assert.deepEqual(await found(), ALL_UNDONE)
  })

  it("with appendfsync 'everysec': nothing that has been written when it is killed, the last second when the power goes", async (t) => {
    const { sessions, restart, copyOfDisk, server } = await open(t, newClient, EVERYSEC)
    const observer = await server().connect()
    /** Redis answers before it writes while it still syncs what it has written before. */
    const written = () => eventually(async () => /aof_buffer_length:0\r/.test(await observer.info('persistence')))
    let disk = ''
    // What has been synced by then; what comes next is with the kernel alone.
    const found = await story(sessions, async () => {
      await written()
      disk = copyOfDisk()
    })
    await written()
    await restart()
    assert.deepEqual(await found(), ALL_KEPT)
    await restart(disk)
    assert.deepEqual(await found(), ALL_UNDONE)
  })
})

interface User {
  readonly token: string
  readonly userId: string
  writes: number
  ended: 'yes' | 'no' | 'unknown'
}

/** Users who log in, write, and log out or not, as fast as they can. */
function users(sessions: Sessions<Data>, round: string) {
  const all: User[] = []
  let [stopped, failed] = [false, 0]
  const done = (error: unknown) => {
    assert.ok(error instanceof StoreError, String(error))
    failed++
    return undefined
  }
  const live = async (n: number) => {
    for (let i = 0; !stopped; i++) {
      const userId = `${round}-${n}-${i}`
      const created = await sessions.create({ writes: 0 }, { userId }).catch(done)
      if (created === undefined) continue
      const user: User = { token: created.token, userId, writes: 0, ended: 'no' }
      all.push(user)
      user.writes = (await sessions.increment(created.token, 'writes').catch(done)) ?? 0
      if (i % 2 === 0) continue
      user.ended = (await sessions.destroy(created.token).catch(done)) === undefined ? 'unknown' : 'yes'
    }
  }
  const lives = Array.from({ length: 16 }, (_, n) => live(n))
  return {
    failed: () => failed,
    /** Until enough of everything has been acknowledged. */
    async busy() {
      while (all.filter(({ ended }) => ended === 'yes').length < 20) await pause(5)
    },
    async stop() {
      stopped = true
      await Promise.all(lives)
      return all
    },
  }
}
