import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openRequest } from '../../src/core/open-request.ts'
import { Operations } from '../../src/core/operations.ts'
import { readOptions } from '../../src/core/options.ts'
import { idOfToken, newToken } from '../../src/core/token.ts'
import type { SessionsOptions } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { NO_TOKENS, open } from '../core/sessions-contract.ts'
import { assertNoToken } from '../support/redis-server.ts'
import { keysOf, type Monitor, monitor, newPrefix, useRedis } from './support.ts'

// What each operation costs: the exact commands that reach the server, and that `onCommand` tells no others.

/** Which process says so, and at which call: as what it says differs from run to run. */
const FROM = /(?<="from":")[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:\d+(?=")/

describe('the commands of each operation', () => {
  const redis = useRedis()
  let observed: Monitor

  before(async () => {
    observed = await monitor(redis.server, redis.client)
    // From here on the server knows the scripts.
    for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
  })
  after(() => observed.stop())

  async function start(options: Omit<SessionsOptions, 'store' | 'schema'> = {}) {
    const told: string[][] = []
    const prefix = newPrefix()
    const client = await redis.server.connect()
    const store = redisStore(client, { prefix, onCommand: (words) => told.push([...words]) })
    // What is asked once per connection.
    while (store.now() === null) await pause(1)
    await client.ping()
    return {
      prefix,
      store,
      sessions: open(store, { touchInterval: '1m', ...options }),
      /** The commands of `run`, as `onCommand` told them and as the server saw them. */
      async commandsOf(run: () => Promise<unknown>): Promise<string[][]> {
        await observed.sent()
        told.length = 0
        await run()
        assert.deepEqual(await observed.sent(), told)
        return told.map((words) => words.map((word) => word.replace(FROM, 'here')))
      },
    }
  }

  it('are none for what is no token', async () => {
    const { sessions, commandsOf } = await start()
    for (const none of NO_TOKENS) {
      const commands = await commandsOf(async () => {
        await sessions.load(none)
        await sessions.peek(none)
        await sessions.touch(none)
        await sessions.timeToLive(none)
        await sessions.destroy(none)
        await sessions.find(none)
        await sessions.revoke(none)
        await Promise.allSettled([
          sessions.set(none, {}),
          sessions.update(none, 'name', () => 'x'),
          sessions.increment(none, 'views'),
          sessions.setIdleTimeout(none, '1m'),
          sessions.rotate(none),
        ])
      })
      assert.deepEqual(commands, [], `for ${none}`)
    }
  })

  it('are none for a request without a token, one for one with an unknown token', async () => {
    const { store, prefix, commandsOf } = await start()
    const operations = new Operations(readOptions({ store }))
    const request = (header?: string) => commandsOf(async () => openRequest(operations, header))
    assert.deepEqual(await request(), [])
    assert.deepEqual(await request('theme=dark'), [])
    assert.deepEqual(await request('__Host-sid=nonsense'), [])
    const token = newToken()
    assert.deepEqual(await request(`__Host-sid=${token}`), [['HGETALL', keysOf(prefix, idOfToken(token)).session]])
  })

  it('are one to read, one more to write, and one more when a touch is due', async () => {
    const { store, sessions, prefix, commandsOf } = await start()
    const { token, id } = await sessions.create({ name: 'Ada' })
    const { session, indexes } = keysOf(prefix, id)
    const operations = new Operations(readOptions({ store, touchInterval: '1m' }))
    const cookie = `__Host-sid=${token}`

    const read = await commandsOf(async () => {
      const state = await openRequest(operations, cookie)
      assert.equal(state.data.name, 'Ada')
      await state.commit()
    })
    assert.deepEqual(read, [['HGETALL', session]])

    const write = await commandsOf(async () => {
      const state = await openRequest(operations, cookie)
      state.data.name = 'Grace'
      state.data.born = 1906
      await state.commit()
    })
    assert.deepEqual(write, [
      ['HGETALL', session],
      ['EVALSHA', scripts.write.sha1, '1', session, 'name', 'Grace', 'born', '1906'],
    ])

    // What is more than to set fields goes by the whole commit, and with it the requests that were counted.
    const commit = ['EVALSHA', scripts.commit.sha1, '4', session, ...indexes, '', '1', id]
    const more = await commandsOf(async () => {
      const state = await openRequest(operations, cookie)
      state.data.name = 'Ada'
      delete state.data.born
      await state.commit()
    })
    assert.deepEqual(more, [
      ['HGETALL', session],
      [...commit, '', '', '2', '60000', '2', '1', 'name', 'Ada', '1', 'born', '0'],
    ])

    const due = open(store, { touchInterval: 0 })
    assert.deepEqual(await commandsOf(() => due.load(token)), [
      ['HGETALL', session],
      ['EVALSHA', scripts.touch.sha1, '4', session, ...indexes, '', '1', id, '0', '1'],
    ])
    // A write to a session of which a touch is due is that as well.
    const always = new Operations(readOptions({ store, touchInterval: 0 }))
    const touching = await commandsOf(async () => {
      const state = await openRequest(always, cookie)
      state.data.name = 'Grace'
      await state.commit()
    })
    assert.deepEqual(touching, [
      ['HGETALL', session],
      [...commit, '', '', '1', '0', '2', '1', 'name', 'Grace', '0', '0'],
    ])
    assert.deepEqual(await commandsOf(() => sessions.load(token)), [['HGETALL', session]])
  })

  it('touch once for many requests at once', async () => {
    const { store, sessions, commandsOf } = await start()
    const { token } = await sessions.create()
    const due = open(store, { touchInterval: 0 })
    const commands = await commandsOf(() => Promise.all(Array.from({ length: 20 }, () => due.load(token))))
    assert.deepEqual(
      commands.map(([name]) => name),
      [...Array(20).fill('HGETALL'), 'EVALSHA'],
    )
  })

  for (const userId of [null, 'ada']) {
    const whose = userId === null ? 'without a user' : 'of a user'

    it(`act on a session ${whose}`, async () => {
      const { sessions, prefix, commandsOf } = await start()
      let [token, id] = ['', '']
      const asked = Date.now()
      const create = await commandsOf(async () => {
        const options = { idleTimeout: '10m', lifetime: '1h', ...(userId !== null && { userId }) }
        ;({ token, id } = await sessions.create({ name: 'Ada' }, options))
      })
      const { session, indexes, since } = keysOf(prefix, id, userId)
      const script = (name: keyof typeof scripts, ...args: string[]) => [
        ...['EVALSHA', scripts[name].sha1, `${1 + indexes.length}`, session, ...indexes, userId ?? '', '1', id],
        ...args,
      ]
      const sent = create[0] ?? assert.fail()
      // When the login began, by Redis's clock.
      const begun = userId === null ? '' : (sent.at(-8) ?? '')
      if (userId !== null) assert.ok(Number(begun) > asked - 5000 && Number(begun) <= Date.now(), begun)
      const note = (type: string, cause: string) => [
        `${prefix}events`,
        JSON.stringify({ from: 'here', type, cause, actor: null, previous: null }),
      ]
      const begins = script('create', '600', '3600000', '100', '', begun, '', '', '0', 'name', 'Ada')
      begins[2] = String(1 + indexes.length + since.length)
      begins.splice(4 + indexes.length, 0, ...since)
      assert.deepEqual(create, [[...begins, ...note(userId === null ? 'created' : 'login', 'create')]])

      assert.deepEqual(await commandsOf(() => sessions.peek(token)), [['HGETALL', session]])
      assert.deepEqual(await commandsOf(() => sessions.find(id)), [['HGETALL', session]])
      const time = [
        ['HGETALL', session],
        ['PTTL', session],
      ]
      assert.deepEqual(await commandsOf(() => sessions.timeToLive(token)), time)

      // From a token alone nobody knows the user: the first attempt says who it is, and the second acts.
      const guess = keysOf(prefix, id)
      const acts = async (run: () => Promise<unknown>, name: keyof typeof scripts, ...args: string[]) => {
        const first = ['EVALSHA', scripts[name].sha1, '4', session, ...guess.indexes, '', '1', id, ...args]
        const expected = userId === null ? [first] : [first, script(name, ...args)]
        assert.deepEqual(await commandsOf(run), expected)
      }
      // After a minute, and at the latest half of the idle timeout.
      const due = ['60000', '2']
      await acts(() => sessions.touch(token), 'touch', '0', '0')
      await acts(() => sessions.set(token, { views: 1 }), 'commit', '', '1', '0', ...due, '1', 'views', '1', '0', '0')
      await acts(
        () => sessions.increment(token, 'views', 2),
        'commit',
        '',
        '',
        '0',
        ...due,
        '0',
        '0',
        '1',
        'views',
        '2',
      )
      await acts(() => sessions.setIdleTimeout(token, 1500), 'commit', '1.5', '', '0', ...due, '0', '0', '0')
      await acts(() => sessions.destroy(token), 'destroy', '0', ...note('destroyed', 'destroy'))
    })
  }

  it('update a field in one command, and one more for each time that another was faster', async () => {
    const { sessions, prefix, commandsOf } = await start()
    const { token, id } = await sessions.create()
    const { session, indexes } = keysOf(prefix, id)
    const update = (...args: string[]) => [
      ...['EVALSHA', scripts.update.sha1, '4', session, ...indexes, '', '1', id, 'name'],
      ...args,
      ...['60000', '2'],
    ]
    assert.deepEqual(await commandsOf(() => sessions.update(token, 'name', () => 'Ada')), [update('', '', '1', 'Ada')])
    const second = await commandsOf(() => sessions.update(token, 'name', (name) => `${name}!`))
    assert.deepEqual(second, [update('', '', '1', 'undefined!'), update('1', 'Ada', '1', 'Ada!')])
  })

  it('follow a rotated token by one more', async () => {
    const { sessions, prefix, commandsOf } = await start()
    const old = await sessions.create()
    let rotated = ''
    const keys = keysOf(prefix, old.id)
    const [rotate] = await commandsOf(async () => {
      rotated = (await sessions.rotate(old.token)).id
    })
    const successor = keysOf(prefix, rotated).session
    assert.deepEqual(rotate, [
      ...['EVALSHA', scripts.rotate.sha1, '5', keys.session, successor, ...keys.indexes, '', '1', old.id, rotated],
      ...['10000', '3600000', '', '', '0', '0', `${prefix}events`, rotate?.at(-1)],
    ])
    const note = JSON.parse(rotate?.at(-1) ?? '')
    assert.deepEqual(note, { from: 'here', type: 'rotated', cause: 'rotate', actor: null, previous: old.id })
    assert.deepEqual(await commandsOf(() => sessions.peek(old.token)), [
      ['HGETALL', keys.session],
      ['EVALSHA', scripts.follow.sha1, '2', keys.session, successor, '', '', rotated, '', ''],
    ])
    const [, follow] = await commandsOf(() => sessions.load(old.token))
    const reuse = { from: 'here', type: 'reuse', cause: 'reuse', actor: null, previous: null }
    const told = [`${prefix}events`, JSON.stringify(reuse)]
    assert.deepEqual(follow, [
      ...['EVALSHA', scripts.follow.sha1, '2', keys.session, successor, '', '', rotated],
      ...told,
    ])
    const touch = await commandsOf(() => sessions.touch(old.token))
    assert.deepEqual(
      touch.map((words) => words[3]),
      [keys.session, successor],
    )
  })

  it('do not grow with the number of sessions: 512 to count, 256 and one for each session to list', async () => {
    const { sessions, commandsOf } = await start()
    const names = async (run: () => Promise<unknown>) => {
      const counts: Record<string, number> = {}
      for (const [name = ''] of await commandsOf(run)) counts[name] = (counts[name] ?? 0) + 1
      return counts
    }
    for (let i = 0; i < 3; i++) await sessions.create({}, { userId: 'ada' })
    assert.deepEqual(await names(() => sessions.count()), { ZCOUNT: 512 })
    assert.deepEqual(await names(() => sessions.recent(2)), { ZRANGE: 256, HMGET: 2 })
    await Promise.all(Array.from({ length: 300 }, () => sessions.create()))
    assert.deepEqual(await names(() => sessions.count()), { ZCOUNT: 512 })
    assert.deepEqual(await names(() => sessions.recent(2)), { ZRANGE: 256, HMGET: 2 })
  })

  it('run by hash; a script that the server has lost is sent whole, once', async () => {
    const { sessions, prefix, commandsOf } = await start()
    const { token, id } = await sessions.create()
    const { session, indexes } = keysOf(prefix, id)
    await redis.client.scriptFlush()
    const touch = [['EVALSHA', scripts.touch.sha1] as const, ['EVAL', scripts.touch.source] as const]
    const rest = ['4', session, ...indexes, '', '1', id, '0', '0']
    assert.deepEqual(
      await commandsOf(() => sessions.touch(token)),
      touch.map((words) => [...words, ...rest]),
    )
    assert.deepEqual(await commandsOf(() => sessions.touch(token)), [['EVALSHA', scripts.touch.sha1, ...rest]])
  })

  it('never fail while the scripts are flushed again and again', async () => {
    const { sessions } = await start()
    const { token } = await sessions.create()
    let done = false
    const flushing = (async () => {
      while (!done) await redis.client.scriptFlush()
    })()
    const values = await Promise.all(Array.from({ length: 300 }, () => sessions.increment(token, 'views')))
    done = true
    await flushing
    assert.equal(new Set(values).size, 300)
    assert.equal((await sessions.peek(token))?.data.views, 300)
  })

  it('hold no token, and leave none in Redis', async () => {
    const { store, sessions, commandsOf } = await start()
    const tokens: string[] = []
    const commands = await commandsOf(async () => {
      for (const userId of ['ada', 'berta', undefined]) {
        const { token } = await sessions.create({ name: 'Ada' }, userId === undefined ? {} : { userId })
        const rotated = await sessions.rotate(token)
        tokens.push(token, rotated.token ?? assert.fail())
        await sessions.load(token)
        await sessions.update(token, 'name', () => 'Grace')
        await sessions.increment(token, 'views')
        await sessions.timeToLive(token)
      }
      const state = await openRequest(new Operations(readOptions({ store })), `__Host-sid=${tokens[1]}`)
      state.data.name = 'x'
      await state.commit()
      await state.rotate()
      tokens.push(/=([\w-]{43});/.exec(state.takeCookie() ?? '')?.[1] ?? assert.fail())
      await sessions.destroy(tokens[2] ?? '')
      await sessions.recent()
    })
    await assertNoToken(redis.client, tokens)
    const text = JSON.stringify(commands)
    assert.deepEqual(
      tokens.filter((token) => text.includes(token)),
      [],
    )
  })

  it('leave out the indexes for monitoring when told to', async () => {
    const client = await redis.server.connect()
    const prefix = newPrefix()
    const sessions = open(redisStore(client, { prefix, monitoring: false }))
    const { token, id } = await sessions.create({}, { userId: 'ada' })
    await sessions.rotate(token)
    await sessions.create()
    await assert.rejects(sessions.recent(), { code: 'ERR_CONFIG', message: /monitoring/ })
    assert.equal(await sessions.count(), 2)
    const keys = await client.keys(`${prefix}*`)
    assert.deepEqual(
      keys.filter((key) => /:(seen|users)$/.test(key)),
      [],
    )
    assert.ok(keys.includes(keysOf(prefix, id).members))
  })
})
