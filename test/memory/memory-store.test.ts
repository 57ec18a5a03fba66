import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { memoryStore } from '../../src/memory.ts'
import { expiryContract } from '../core/expiry-contract.ts'
import { sessionsContract } from '../core/sessions-contract.ts'
import { adoptionContract } from '../store-contract/adoption.ts'
import { eventsContract } from '../store-contract/events.ts'
import { tombstoneContract } from '../store-contract/tombstones.ts'
import { writeContract } from '../store-contract/writes.ts'
import { begin, call, idBeside, loaded, type OpenStore, ROTATION, storeContract } from '../store-contract.ts'

async function open(): Promise<OpenStore> {
  const store = memoryStore()
  return { store, second: store, check: async () => undefined }
}

async function warningsOf(run: () => Promise<void>): Promise<Error[]> {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  await run()
  await new Promise(setImmediate)
  process.off('warning', listen)
  return warnings
}

describe('memoryStore', () => {
  storeContract(open)
  sessionsContract(open)
  expiryContract(open)
  eventsContract(open)
  adoptionContract(open)
  tombstoneContract(open)
  writeContract(open)

  it('refuses a size that is no whole number above 0', () => {
    for (const maxSessions of [0, -1, 1.5, Number.NaN, Infinity, '5' as never]) {
      assert.throws(() => memoryStore({ maxSessions }), { code: 'ERR_CONFIG', message: /maxSessions/ })
    }
  })

  it('ends the least recently used session when it is full, and says so once', async () => {
    const store = memoryStore({ maxSessions: 3 })
    const warnings = await warningsOf(async () => {
      const [first, second, third] = [await begin(store), await begin(store), await begin(store)]
      await loaded(store, first.id)
      const fourth = await begin(store)
      assert.equal(await loaded(store, second.id), null)
      await store.touch(third, 0, 0, call())
      await begin(store)
      assert.equal(await loaded(store, first.id), null)
      assert.ok((await loaded(store, third.id)) && (await loaded(store, fourth.id)))
      assert.equal((await store.count(call())).guests, 3)
    })
    assert.deepEqual(
      warnings.map((warning) => (warning as Error & { code: string }).code),
      ['COATCHECK_MEMORY_STORE_FULL'],
    )
    assert.match(warnings[0]?.message ?? '', /redisStore/)
  })

  it('makes room by what has expired before it ends a session in use', async () => {
    const store = memoryStore({ maxSessions: 3 })
    const used = await begin(store)
    for (let i = 0; i < 2; i++) await begin(store, { idleTimeout: 20 })
    // Nobody looks at them: that alone would drop them.
    await pause(40)
    for (let i = 0; i < 2; i++) await begin(store)
    assert.ok(await loaded(store, used.id))
  })

  it('stays within its size also when sessions are rotated', async () => {
    const store = memoryStore({ maxSessions: 3 })
    let ref = await begin(store)
    const old = ref
    for (let i = 0; i < 5; i++) {
      const to = idBeside(ref)
      await store.rotate(ref, to, { ...ROTATION, grace: 60_000 }, call())
      ref = { ...ref, id: to }
    }
    assert.ok(await loaded(store, ref.id))
    assert.equal(await loaded(store, old.id), null)
  })

  it('warns in production that it is not for production, and nowhere else', async () => {
    const before = process.env.NODE_ENV
    try {
      delete process.env.NODE_ENV
      assert.deepEqual(await warningsOf(async () => void memoryStore()), [])
      process.env.NODE_ENV = 'production'
      const [warning, ...more] = await warningsOf(async () => void [memoryStore(), memoryStore()])
      assert.equal((warning as Error & { code?: string })?.code, 'COATCHECK_MEMORY_STORE')
      assert.deepEqual(more, [])
    } finally {
      if (before === undefined) delete process.env.NODE_ENV
      else process.env.NODE_ENV = before
    }
  })
})
