import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createBeside } from '../../src/core/beside.ts'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'

test('what is beside an object is found by it, and by no other', () => {
  const [first, second] = [createBeside<number>(), createBeside<number>()]
  const object = {}
  first.set(object, 1)
  assert.equal(first.get(object), 1)
  assert.equal(second.get(object), undefined)
  assert.equal(first.get({}), undefined)
  first.set(object, 2)
  assert.equal(first.get(object), 2)
})

test('what inherits from an object is another one', () => {
  const beside = createBeside<number>()
  const object = {}
  beside.set(object, 1)
  assert.equal(beside.get(Object.create(object)), undefined)
})

test('it is in nobody’s way: no copy has it, and nobody sees it', () => {
  const beside = createBeside<number>()
  const object = { url: '/' }
  beside.set(object, 1)
  assert.equal(beside.get({ ...object }), undefined)
  assert.deepEqual(object, { url: '/' })
})

test('an object that takes no property has something beside it too', () => {
  const beside = createBeside<number>()
  for (const object of [Object.freeze({}), Object.preventExtensions({})]) {
    beside.set(object, 1)
    assert.equal(beside.get(object), 1)
    beside.set(object, 2)
    assert.equal(beside.get(object), 2)
  }
})

test('a request that is over is gone with the next collection of young objects', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void
  const sessions = createSessions({ store: memoryStore() })
  t.after(() => sessions.close())
  const REQUESTS = 4000
  const serve = async () => {
    for (let i = 0; i < REQUESTS; i++) {
      const request = { headers: {}, body: new Array(500).fill(i) }
      await sessions.openRequest(request, undefined, {
        client: { userAgent: () => String(request.body[0]), address: () => undefined },
      })
    }
    // So that nothing of the last ones is at work any more.
    await nextTurn()
  }
  // Whatever keeps them has grown old by then.
  await serve()
  collect()
  const before = process.memoryUsage().heapUsed
  await serve()
  for (let i = 0; i < 3; i++) collect({ type: 'minor' })
  const left = process.memoryUsage().heapUsed - before
  const size = REQUESTS * 500 * 4
  assert.ok(left < size / 2, `${left} bytes are left of ${size}`)
})
