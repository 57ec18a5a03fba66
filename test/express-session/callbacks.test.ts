import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { CoatcheckStore } from '../../src/express-session.ts'
import { SessionEndedError } from '../../src/index.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { newStore, plain } from './support.ts'

// How the store tells what has become of a call: by callbacks, once each, or by promises.

type Told = readonly unknown[]
type Call = (store: CoatcheckStore, callback: (...told: unknown[]) => void) => unknown

const CALLS: Record<string, Call> = {
  get: (store, callback) => store.get('s', callback),
  set: (store, callback) => store.set('s', plain({ n: 1 }), callback),
  touch: (store, callback) => store.touch('s', plain(), callback),
  destroy: (store, callback) => store.destroy('s', callback),
  all: (store, callback) => store.all(callback),
  ids: (store, callback) => store.ids(callback),
  length: (store, callback) => store.length(callback),
  clear: (store, callback) => store.clear(callback),
}

describe('a call', () => {
  const redis = useRedis()
  const open = async () => {
    const store = newStore(redis.client, { prefix: newPrefix() })
    await store.set('s', plain({ a: 1 }))
    return store
  }

  for (const [name, call] of Object.entries(CALLS)) {
    it(`of ${name} calls back once, later, without an error, and gives no promise then`, async () => {
      const store = await open()
      const told: Told[] = []
      const answered = new Promise<void>((resolve) => {
        const returned = call(store, (...all) => {
          told.push(all)
          resolve()
        })
        assert.equal(returned, undefined)
        assert.deepEqual(told, [])
      })
      await answered
      // Whatever would still be said would be said by the end of another call.
      await store.length()
      await new Promise(setImmediate)
      assert.equal(told.length, 1)
      assert.equal(told[0]?.[0], null)
    })
  }

  it('calls back with what was asked for', async () => {
    const store = await open()
    const ask = (call: Call) => new Promise((resolve) => call(store, (...told) => resolve(told)))
    const cookie = { originalMaxAge: null, expires: null }
    assert.deepEqual(await ask(CALLS.get as Call), [null, { a: 1, cookie }])
    assert.deepEqual(await ask((one, callback) => one.get('none', callback)), [null, null])
    assert.deepEqual(await ask(CALLS.length as Call), [null, 1])
    const [id] = await store.ids()
    assert.deepEqual(await ask(CALLS.ids as Call), [null, [id]])
    assert.deepEqual(await ask(CALLS.all as Call), [null, [{ a: 1, cookie, id }]])
  })

  it('calls back with the error', async () => {
    const store = await open()
    await store.destroy('s')
    for (const name of ['set', 'touch'] as const) {
      const error = await new Promise((resolve) => (CALLS[name] as Call)(store, resolve))
      assert.ok(error instanceof SessionEndedError)
    }
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const [property, expected] of [
      [cycle, { name: 'TypeError' }],
      [1n, { name: 'TypeError' }],
      ['x'.repeat(1_048_577), { code: 'ERR_FIELD_TOO_LARGE' }],
    ] as const) {
      const told = await new Promise<unknown>((resolve) => store.set('other', plain({ property }), resolve))
      assert.throws(() => {
        throw told
      }, expected)
      await assert.rejects(store.set('other', plain({ property })), expected)
    }
    assert.equal(await store.get('other'), null)
  })

  it('gives a promise without a callback', async () => {
    const store = await open()
    assert.equal(await store.set('two', plain({ b: 1 })), undefined)
    assert.equal(await store.touch('two', plain()), undefined)
    assert.equal((await store.all()).length, 2)
    assert.equal((await store.ids()).length, 2)
    assert.equal(await store.length(), 2)
    assert.equal(await store.destroy('two'), undefined)
    assert.equal(await store.get('two'), null)
    assert.equal(await store.clear(), undefined)
    assert.equal(await store.length(), 0)
  })

  it('calls back where it was made: what the application keeps by AsyncLocalStorage is there', async () => {
    const store = await open()
    const storage = new AsyncLocalStorage<string>()
    for (const [name, call] of Object.entries(CALLS)) {
      const seen = await new Promise((resolve) => {
        storage.run(name, () => call(store, () => resolve(storage.getStore())))
      })
      assert.equal(seen, name)
    }
  })

  it('leaves what a callback throws to the process, once, and is not made again', async () => {
    const program = fileURLToPath(new URL('./throwing-callback.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program, redis.server.url])
    const once = { called: 1, uncaught: ['thrown by the callback'], rejected: 0 }
    assert.deepEqual(JSON.parse(stdout), Object.fromEntries(Object.keys(CALLS).map((name) => [name, once])))
  })
})
