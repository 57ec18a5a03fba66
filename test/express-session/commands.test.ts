import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { SessionOptions } from 'express-session'
import { scripts } from '../../src/redis/scripts.ts'
import { type Monitor, monitor, newPrefix, useRedis } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { assertEveryKeyExpires, assertNoToken } from '../support/redis-server.ts'
import { openApp, sidOf } from './apps.ts'
import { keyOf, newStore } from './support.ts'

// What a request costs, as the server sees it, and that no session id ever gets there.

describe('the commands of a request', () => {
  const redis = useRedis()
  let observed: Monitor
  before(async () => {
    observed = await monitor(redis.server, redis.client)
    for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
  })
  after(() => observed.stop())

  async function open(t: TestContext, options: Partial<SessionOptions> = {}, storeOptions: object = {}) {
    const prefix = newPrefix()
    const told: string[][] = []
    const client = await redis.server.connect()
    const onCommand = (words: readonly string[]) => void told.push([...words])
    const store = newStore(client, { prefix, onCommand, ...storeOptions })
    // What is asked once per connection.
    await eventually(async () => (await observed.sent()).some(([name]) => name === 'CONFIG' || name === 'INFO'))
    const { visitor, errors } = await openApp(
      t,
      store,
      (app) => {
        app.post('/set/:value', (req, res) => {
          req.session.value = req.params.value
          res.end()
        })
        app.get('/', (_req, res) => void res.end())
        app.post('/logout', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.end())))
      },
      options,
    )
    const names = new Map(Object.entries(scripts).map(([name, { sha1 }]) => [sha1, name]))
    return {
      prefix,
      visitor,
      errors,
      /** The commands of a request, scripts by their names. */
      async commandsOf(run: () => Promise<unknown>): Promise<string[]> {
        await observed.sent()
        told.length = 0
        await run()
        const sent = await observed.sent()
        assert.deepEqual(sent, told)
        return sent.map(([name = '', sha1 = '']) => (name === 'EVALSHA' ? (names.get(sha1) ?? sha1) : name))
      },
    }
  }

  it('are none without a session, one to read, and one for what then becomes of it', async (t) => {
    const { visitor, commandsOf, errors } = await open(t, {}, { touchInterval: 0 })
    const one = visitor()
    assert.deepEqual(await commandsOf(() => one.get('/')), [])
    assert.deepEqual(await commandsOf(() => one.get('/', { cookie: 'connect.sid=s%3Aforged.nonsense' })), [])
    assert.deepEqual(await commandsOf(() => one.post('/set/a')), ['create'])
    // express-session touches whatever was not changed.
    assert.deepEqual(await commandsOf(() => one.get('/')), ['HGETALL', 'commit'])
    assert.deepEqual(await commandsOf(() => one.post('/set/b')), ['HGETALL', 'commit'])
    const cookie = one.cookieHeader
    assert.deepEqual(await commandsOf(() => one.post('/logout')), ['HGETALL', 'destroy'])
    assert.deepEqual(await commandsOf(() => one.get('/', { cookie })), ['HGETALL'])
    assert.deepEqual(errors, [])
  })

  it('are one for a request that only reads, until its touch is due', async (t) => {
    for (const cookie of [{}, { maxAge: 600_000 }]) {
      const { visitor, commandsOf } = await open(t, { cookie })
      const one = visitor()
      await one.post('/set/a')
      for (let i = 0; i < 3; i++) assert.deepEqual(await commandsOf(() => one.get('/')), ['HGETALL'])
      assert.deepEqual(await commandsOf(() => one.post('/set/b')), ['HGETALL', 'write'])
      assert.deepEqual(await commandsOf(() => one.get('/')), ['HGETALL'])
    }
    const { visitor, commandsOf } = await open(t, { cookie: { maxAge: 600_000 } }, { touchInterval: 1 })
    const one = visitor()
    await one.post('/set/a')
    const since = Date.now()
    await eventually(() => Date.now() > since + 5)
    assert.deepEqual(await commandsOf(() => one.get('/')), ['HGETALL', 'commit'])
  })

  it('write only what has changed', async (t) => {
    const { prefix, visitor } = await open(t, { resave: true, cookie: { maxAge: 600_000 } }, { touchInterval: 0 })
    const one = visitor()
    await one.post('/set/a')
    const key = keyOf(prefix, sidOf(one))
    const changedBy = async (run: () => Promise<unknown>) => {
      await observed.sent()
      await run()
      const [, commit = []] = await observed.sent()
      const count = Number(commit[2])
      // After the keys: user, monitoring, id, idle timeout, replace, requests, when a touch is due, and then what is set.
      const set = commit.slice(3 + count + 8)
      return set.slice(1, 1 + 2 * Number(set[0])).filter((_, i) => i % 2 === 0)
    }
    assert.deepEqual(await changedBy(() => one.post('/set/b')), ['value', '_expires'])
    assert.deepEqual(await changedBy(() => one.get('/')), ['_expires'])
    assert.equal(await redis.client.hGet(key, 'value'), 'b')
  })

  it('hold no session id, nor does any key or value, and every key expires', async (t) => {
    const { visitor, errors } = await open(t, { saveUninitialized: true, resave: true, rolling: true })
    await observed.sent()
    const sids: string[] = []
    for (let i = 0; i < 5; i++) {
      const one = visitor()
      await one.post('/set/a')
      sids.push(sidOf(one))
      await one.get('/')
      if (i % 2) await one.post('/logout')
    }
    assert.ok(sids.every((sid) => sid.length > 20))
    const sent = JSON.stringify(await observed.sent())
    for (const sid of sids) assert.ok(!sent.includes(sid), 'a command holds a session id')
    await assertNoToken(redis.client, sids)
    assert.ok((await assertEveryKeyExpires(redis.client)) > 0)
    assert.deepEqual(errors, [])
  })
})
