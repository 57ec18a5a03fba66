import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as redis6 from 'redis'
import * as redis5 from 'redis5'
import { idOfToken, newToken } from '../../src/core/token.ts'
import { ReplyError, storeError } from '../../src/redis/errors.ts'
import { redisStore } from '../../src/redis.ts'
import { open } from '../core/sessions-contract.ts'
import { call } from '../store-contract.ts'
import { startRedis } from '../support/redis-server.ts'

// Their types differ, what is used of them here does not.
const VERSIONS = [redis6, redis5 as unknown as typeof redis6]

describe('redisStore', () => {
  it('refuses what is no single node-redis client, and says what it takes', () => {
    const others = VERSIONS.map(({ createClientPool }) => createClientPool())
    for (const wrong of [undefined, null, {}, 'redis://localhost', { sendCommand() {} }, ...others]) {
      assert.throws(() => redisStore(wrong as never), { code: 'ERR_CONFIG', message: /createClient/ })
    }
  })

  it('takes a client that is not connected yet', () => {
    const sentinel = { name: 'x', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }
    for (const { createClient, createCluster, createSentinel } of VERSIONS) {
      assert.equal(redisStore(createSentinel(sentinel)).now(), null)
      assert.equal(redisStore(createClient()).now(), null)
      assert.equal(redisStore(createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] })).now(), null)
    }
  })
})

describe('a client that nobody listens to', () => {
  const dead = { host: '127.0.0.1', port: 1 }
  for (const [what, made] of [
    ['of one server', () => VERSIONS.map(({ createClient }) => createClient())],
    ['of a cluster', () => VERSIONS.map(({ createCluster }) => createCluster({ rootNodes: [{ socket: dead }] }))],
    [
      'of Sentinels',
      () => VERSIONS.map(({ createSentinel }) => createSentinel({ name: 'x', sentinelRootNodes: [dead] })),
    ],
  ] as const) {
    it(`${what} does not end the process when it reports an error`, () => {
      for (const client of made()) {
        const report = () => client.emit('error', new Error('The connection was lost'))
        assert.throws(report, /lost/)
        redisStore(client)
        assert.equal(report(), true)
      }
    })
  }
})

/** A client whose every reply a test gives. */
function fakeClient(reply: (words: readonly string[]) => unknown) {
  const sent: string[] = []
  const client = Object.assign(new EventEmitter(), {
    isReady: true,
    duplicate(): never {
      throw new Error('nothing listens for events here')
    },
    async sendCommand(words: readonly string[]) {
      // But for the script that is run once per connection.
      if (words[0] !== 'EVAL' || words[2] !== '0') sent.push(words[0] ?? '')
      return reply(words)
    },
  })
  return { client, sent }
}

describe('a store on its connection', () => {
  it('asks for the time as soon as its client is connected', { timeout: 10_000 }, async (t) => {
    const server = await startRedis()
    const client = redis6.createClient({ url: server.url })
    t.after(async () => {
      client.destroy()
      await server.stop()
    })
    const store = redisStore(client)
    await client.connect()
    while (store.now() === null) await pause(1)
    assert.ok(Math.abs((store.now() ?? 0) - Date.now()) < 1000)
  })

  it('learns the time from what scripts answer, where it may not ask', async () => {
    const { client } = fakeClient(([name]) => {
      if (name === 'EVALSHA') return ['ok', 1_700_000_000_000]
      throw new Error('NOPERM this user has no permissions')
    })
    const store = redisStore(client)
    await new Promise(setImmediate)
    assert.equal(store.now(), null)
    await store.touch({ id: idOfToken(newToken()), userId: null }, 0, 0, call())
    assert.ok(Math.abs((store.now() ?? 0) - 1_700_000_000_000) < 1000)
  })

  it('keeps a call under its own deadline alone: the client keeps no timer for each command', async (t) => {
    const server = await startRedis()
    t.after(() => server.stop())
    const client = await server.connect()
    const timers = t.mock.method(AbortSignal, 'timeout')
    const sessions = open(redisStore(client))
    const { token } = await sessions.create()
    await sessions.update(token, 'name', () => 'Ada')
    assert.ok(await sessions.load(token))
    assert.deepEqual(timers.mock.calls, [])
    await client.ping()
    assert.equal(timers.mock.callCount(), 1, 'this client would keep one')
  })

  for (const [what, reply] of [
    ['the server does not know the script', new Error('NOSCRIPT No matching script.')],
    ["the session is another user's", ['user', 'ada']],
    ['the user is at the limit', ['crowded', ['another id']]],
  ] as const) {
    it(`sends nothing more when it hears after the deadline that ${what}`, async () => {
      let answer: () => void = () => undefined
      const { client, sent } = fakeClient(([name]) => {
        if (name === 'TIME') return ['1700000000', '0']
        if (name !== 'EVALSHA') return ''
        return new Promise((resolve, reject) => {
          answer = () => (reply instanceof Error ? reject(reply) : resolve(reply))
        })
      })
      const sessions = open(redisStore(client), { storeTimeout: 20 })
      const acting =
        reply instanceof Error || reply[0] === 'user'
          ? sessions.touch(newToken())
          : sessions.create({}, { userId: 'ada' })
      await assert.rejects(acting, { code: 'ERR_STORE_TIMEOUT' })
      answer()
      await new Promise(setImmediate)
      assert.deepEqual(
        sent.filter((name) => name.startsWith('EVAL')),
        ['EVALSHA'],
      )
    })
  }

  it('takes nothing more out of an index when it hears after the deadline what has expired', async () => {
    const answers: (() => void)[] = []
    const { client, sent } = fakeClient(([name]) => {
      if (name === 'TIME') return ['1700000000', '0']
      if (name === 'ZRANGE') return ['an id']
      // The answer to each comes late.
      return name === 'ZREM' ? new Promise((resolve) => answers.push(() => resolve(1))) : ''
    })
    const sessions = open(redisStore(client), { storeTimeout: 20 })
    await assert.rejects(sessions.countByIdleAge(['1m']), { code: 'ERR_STORE_TIMEOUT' })
    const read = sent.filter((name) => name === 'ZRANGE').length
    assert.ok(answers.length > 0)
    for (const answer of answers) answer()
    await new Promise(setImmediate)
    assert.equal(sent.filter((name) => name === 'ZRANGE').length, read)
  })

  it('does not send a script again that was refused for another reason', async () => {
    const { client, sent } = fakeClient(([name]) => {
      if (name?.startsWith('EVAL')) throw new Error('ERR user_script:12: in the midst of it')
      return name === 'TIME' ? ['1700000000', '0'] : ''
    })
    const sessions = open(redisStore(client))
    await assert.rejects(sessions.touch(newToken()), { code: 'ERR_STORE_REPLY', outcome: 'unknown' })
    assert.deepEqual(
      sent.filter((name) => name.startsWith('EVAL')),
      ['EVALSHA'],
    )
  })

  it('does not claim to know what becomes of a script that it has sent whole', async () => {
    const { client } = fakeClient(([name]) => {
      if (name === 'EVALSHA') throw new Error('NOSCRIPT No matching script.')
      if (name === 'EVAL') return new Promise(() => undefined)
      return name === 'TIME' ? ['1700000000', '0'] : ''
    })
    const sessions = open(redisStore(client), { storeTimeout: 20 })
    await assert.rejects(sessions.touch(newToken()), { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' })
  })
})

describe('what a client rejects with', () => {
  for (const [message, code, outcome] of [
    ["OOM command not allowed when used memory > 'maxmemory'.", 'ERR_STORE_FULL', 'none'],
    ['LOADING Redis is loading the dataset in memory', 'ERR_STORE_UNAVAILABLE', 'none'],
    ["READONLY You can't write against a read only replica.", 'ERR_STORE_UNAVAILABLE', 'none'],
    ['CLUSTERDOWN The cluster is down', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['BUSY Redis is busy running a script.', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['MISCONF Redis is configured to save RDB snapshots', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['NOSCRIPT No matching script.', 'ERR_STORE_REPLY', 'none'],
    ['NOAUTH Authentication required.', 'ERR_STORE_REPLY', 'none'],
    ['NOPERM User default has no permissions', 'ERR_STORE_REPLY', 'none'],
    // In the midst of a script: what came before it has been done.
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'ERR_STORE_REPLY', 'unknown'],
    ['ERR user_script:12: attempt to compare secret with nil', 'ERR_STORE_REPLY', 'unknown'],
    ['The client is closed', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['The client is offline', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['The queue is full', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['The command was aborted', 'ERR_STORE_UNAVAILABLE', 'none'],
    ['Socket closed unexpectedly', 'ERR_STORE_UNAVAILABLE', 'unknown'],
    ['read ECONNRESET', 'ERR_STORE_UNAVAILABLE', 'unknown'],
  ] as const) {
    it(`is ${code}, outcome ${outcome}, for: ${message}`, () => {
      const error = storeError(new Error(message))
      assert.deepEqual([error.name, error.code, error.outcome, error.status], ['StoreError', code, outcome, 503])
      // Of an answer only the first word is kept: the rest may quote arguments.
      if (error instanceof ReplyError) {
        assert.equal(error.word, message.split(' ')[0])
        assert.equal(error.cause, undefined)
        assert.ok(!error.message.includes(message))
      }
    })
  }

  it('is an error also when it is none', () => {
    assert.deepEqual(storeError(undefined).code, 'ERR_STORE_UNAVAILABLE')
    assert.deepEqual(storeError('x').outcome, 'unknown')
  })
})
