import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSessions, FieldError, type SessionStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { newPrefix, useRedis } from '../redis/support.ts'

interface Data {
  text: string
  list: unknown[]
  good: number
}

const TOO_LARGE = { name: 'FieldError', code: 'ERR_FIELD_TOO_LARGE' }

function valueLimit(newStore: () => SessionStore) {
  async function begin() {
    const sessions = createSessions<Data>({ store: newStore(), maxValueBytes: 100 })
    const { token } = await sessions.create({ good: 1 })
    const request = {}
    await sessions.openRequest(request, `__Host-sid=${token}`)
    return { sessions, token, session: sessions.of(request), data: async () => (await sessions.peek(token))?.data }
  }

  it('counts the bytes that a value takes as it is stored', async () => {
    const { sessions, token, data } = await begin()
    const fits: Partial<Data>[] = [
      { text: 'x'.repeat(100) },
      { text: 'é'.repeat(50) },
      { text: '🧥'.repeat(25) },
      // Text that reads like JSON is stored in quotes, its own escaped.
      { text: `"${'x'.repeat(96)}` },
      // Six bytes for what has no UTF-8 of its own, and two quotes.
      { text: `\ud800${'x'.repeat(92)}` },
      { list: ['x'.repeat(96)] },
    ]
    for (const [i, value] of fits.entries()) {
      await sessions.set(token, value)
      assert.deepEqual(await data(), value)
      const [field = '', held] = Object.entries(value)[0] ?? []
      const larger = typeof held === 'string' ? `${held}x` : [`${held}x`]
      await assert.rejects(sessions.set(token, { [field]: larger }), { ...TOO_LARGE, field }, `case ${i}`)
      assert.deepEqual(await data(), value)
    }
  })

  it('holds wherever a value is written, and then nothing is', async () => {
    const { sessions, token, session, data } = await begin()
    const text = 'x'.repeat(101)
    await assert.rejects(sessions.create({ good: 2, text }), TOO_LARGE)
    assert.equal(await sessions.count(), 1)
    await assert.rejects(sessions.set(token, { good: 2, text }), TOO_LARGE)
    await assert.rejects(
      sessions.update(token, 'text', () => text),
      TOO_LARGE,
    )
    await assert.rejects(
      session.update('text', () => text),
      TOO_LARGE,
    )
    Object.assign(session.data, { good: 2, text })
    await assert.rejects(session.commit(), TOO_LARGE)
    assert.deepEqual(await data(), { good: 1 })

    const visitor = {}
    await sessions.openRequest(visitor, undefined)
    await assert.rejects(
      sessions.of(visitor).update('text', () => text),
      TOO_LARGE,
    )
    sessions.of(visitor).data.text = text
    await assert.rejects(sessions.of(visitor).commit(), TOO_LARGE)
    assert.deepEqual([sessions.of(visitor).id, await sessions.count()], [null, 1])

    session.data.text = 'short enough'
    await session.commit()
    assert.deepEqual(await data(), { good: 2, text: 'short enough' })
  })

  it('is for each field alone, and leaves what is stored already', async () => {
    const store = newStore()
    const large = createSessions<Data>({ store })
    const { token } = await large.create({ text: 'x'.repeat(1000) })
    const small = createSessions<Data>({ store, maxValueBytes: 10 })
    assert.equal((await small.load(token))?.data.text?.length, 1000)
    assert.equal(await small.increment(token, 'good'), 1)
    await small.update(token, 'list', () => [1, 2])
    assert.deepEqual((await large.peek(token))?.data, { text: 'x'.repeat(1000), good: 1, list: [1, 2] })
    const fields = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, 'x'.repeat(10)]))
    await small.set(token, fields as Partial<Data>)
    assert.deepEqual((await large.peek(token))?.data, fields)
  })
}

describe('maxValueBytes, on memoryStore', () => valueLimit(() => memoryStore()))
describe('maxValueBytes, on redisStore', () => {
  const redis = useRedis()
  valueLimit(() => redisStore(redis.client, { prefix: newPrefix() }))
})

describe('the option maxValueBytes', () => {
  it('is 1,048,576 when left out', async () => {
    const sessions = createSessions<Data>({ store: memoryStore() })
    await sessions.create({ text: 'x'.repeat(1_048_576) })
    await assert.rejects(sessions.create({ text: 'x'.repeat(1_048_577) }), TOO_LARGE)
  })

  it('must be a whole number above 0', () => {
    for (const maxValueBytes of [0, -1, 1.5, Number.NaN, Infinity, '1mb', null] as never[]) {
      const open = () => createSessions({ store: memoryStore(), maxValueBytes })
      assert.throws(open, { code: 'ERR_CONFIG', message: /maxValueBytes/ })
    }
  })

  it('is named by the error, which holds nothing of the value', async () => {
    const sessions = createSessions<Data>({ store: memoryStore(), maxValueBytes: 10 })
    const error = await sessions.create({ text: 'the secret is longer' }).catch((error: unknown) => error)
    assert.ok(error instanceof FieldError)
    assert.match(error.message, /'text'.* 10 bytes.*maxValueBytes/)
    assert.doesNotMatch(String(error.stack), /secret/)
  })
})
