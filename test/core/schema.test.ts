import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { SessionCookie } from '../../src/core/cookie.ts'
import { openRequest } from '../../src/core/open-request.ts'
import { Operations } from '../../src/core/operations.ts'
import { readOptions } from '../../src/core/options.ts'
import { createSessions, DataError, type DataSchema } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'

/** The same data, described in three libraries: older sessions may hold a cart of one string. */
const schemas = {
  zod: z.object({ cart: z.array(z.string()).optional(), views: z.number().optional() }),
  valibot: v.object({ cart: v.optional(v.array(v.string())), views: v.optional(v.number()) }),
  arktype: type({ 'cart?': 'string[]', 'views?': 'number' }),
} satisfies Record<string, DataSchema>

for (const [library, schema] of Object.entries(schemas)) {
  describe(`a schema of ${library}`, () => {
    const sharing = () => {
      const store = memoryStore()
      return {
        older: createSessions<{ cart: string; views: number }>({ store }),
        sessions: createSessions({ store, schema: schema as DataSchema<{ cart?: string[]; views?: number }> }),
      }
    }

    test('lets data that fits be written and read', async () => {
      const { sessions } = sharing()
      const { token } = await sessions.create({ cart: ['umbrella'] })
      await sessions.set(token, { cart: ['umbrella', 'hat'], views: 1 })
      assert.deepEqual((await sessions.load(token))?.data, { cart: ['umbrella', 'hat'], views: 1 })
    })

    test('refuses to write data that does not fit, and keeps what is there', async () => {
      const { sessions } = sharing()
      const { token } = await sessions.create({ views: 1 })
      const wrong = { cart: 'umbrella' as unknown as string[] }
      await assert.rejects(sessions.set(token, wrong), { code: 'ERR_DATA_INVALID', fields: ['cart'] })
      await assert.rejects(sessions.create(wrong), { code: 'ERR_DATA_INVALID' })
      await assert.rejects(
        sessions.update(token, 'cart', () => wrong.cart),
        { code: 'ERR_DATA_INVALID' },
      )
      assert.deepEqual((await sessions.load(token))?.data, { views: 1 })
    })

    test('says that stored data does not fit when it is read, not when the session is loaded or ended', async () => {
      const { older, sessions } = sharing()
      const { token, id } = await older.create({ cart: 'secret umbrella' })
      const session = await sessions.load(token)
      assert.equal(session?.id, id)
      assert.throws(
        () => session?.data,
        (error) =>
          error instanceof DataError && error.code === 'ERR_DATA_INVALID' && !error.message.includes('umbrella'),
      )
      assert.equal(await sessions.destroy(token), true)
    })
  })
}

test('a schema types the data', async () => {
  const store = memoryStore()
  const zod = createSessions({ store, schema: schemas.zod })
  const valibot = createSessions({ store, schema: schemas.valibot })
  const arktype = createSessions({ store, schema: schemas.arktype })
  const { token } = await zod.create({ cart: ['umbrella'], views: 1 })
  const all = [await zod.peek(token), await valibot.peek(token), await arktype.peek(token)]
  for (const session of all) {
    const cart: string[] | undefined = session?.data.cart
    const views: number | undefined = session?.data.views
    assert.deepEqual([cart, views], [['umbrella'], 1])
    // @ts-expect-error Nobody has described this field.
    assert.equal(session?.data.other, undefined)
  }
  const wrong = { code: 'ERR_DATA_INVALID' }
  // @ts-expect-error A number is no list of strings.
  await assert.rejects(zod.create({ cart: 7 }), wrong)
  // @ts-expect-error
  await assert.rejects(valibot.create({ cart: 7 }), wrong)
  // @ts-expect-error
  await assert.rejects(arktype.create({ cart: 7 }), wrong)
})

describe('data that does not fit', () => {
  const schema = z.object({ cart: z.array(z.string()).optional(), views: z.number().max(10).optional() })

  async function begin(stored: Record<string, unknown> = { cart: 'an umbrella', views: 1 }) {
    const store = memoryStore()
    const older = createSessions<Record<string, unknown>>({ store })
    const sessions = createSessions({ store, schema })
    const { token, id } = await older.create(stored)
    const request = {}
    await sessions.openRequest(request, `${new SessionCookie().name}=${token}`)
    return { older, sessions, session: sessions.of(request), token, id, data: async () => (await older.find(id))?.data }
  }
  const misfit = (fields: string[]) => ({ name: 'DataError', code: 'ERR_DATA_INVALID', status: 500, fields })

  test('stands in the way of nothing but reading it', async () => {
    const { sessions, token, id, data } = await begin()
    for (const find of [() => sessions.load(token), () => sessions.peek(token), () => sessions.find(id)]) {
      const found = await find()
      assert.equal(found?.id, id)
      for (let i = 0; i < 2; i++) assert.throws(() => found?.data, misfit(['cart']))
    }
    assert.deepEqual(
      (await sessions.recent()).map((session) => session.id),
      [id],
    )
    assert.equal(await sessions.count(), 1)
    assert.equal(await sessions.touch(token), true)
    await sessions.setIdleTimeout(token, '5m')
    assert.ok(((await sessions.timeToLive(token)) ?? 0) > 0)
    assert.equal(await sessions.increment(token, 'views'), 2)
    assert.equal(await sessions.update(token, 'views', (views = 0) => views + 1), 3)
    await assert.rejects(
      sessions.update(token, 'cart', (cart = []) => [...cart, 'a hat']),
      misfit(['cart']),
    )
    assert.deepEqual(await data(), { cart: 'an umbrella', views: 3 })
    const rotated = await sessions.rotate(token)
    assert.equal(await sessions.revoke(rotated.id), true)
  })

  test('stands in the way of nothing but reading it in a request, logout included', async () => {
    for (const isRead of [false, true]) {
      const { session, older, id, data } = await begin()
      const read = () => assert.throws(() => session.data, misfit(['cart']))
      if (isRead) read()
      assert.equal(session.id, id)
      assert.equal(await session.increment('views'), 2)
      assert.equal(await session.update('views', (views = 0) => views + 1), 3)
      assert.equal(await session.update('views', () => undefined), undefined)
      assert.deepEqual(await data(), { cart: 'an umbrella' })
      await assert.rejects(
        session.update('cart', (cart = []) => [...cart, 'a hat']),
        misfit(['cart']),
      )
      session.setIdleTimeout('5m')
      await session.commit()
      assert.equal((await older.find(id))?.idleTimeout, 300_000)
      read()
      await session.rotate()
      assert.equal(await older.count(), 1)
      await session.logout()
      assert.equal(await older.count(), 0)
      assert.deepEqual(session.data, {})
    }
  })

  test('because an increment has led there is no error of that increment, which was done', async () => {
    const { sessions, session, token, data } = await begin({ views: 10 })
    assert.equal(session.data.views, 10)
    assert.equal(await session.increment('views'), 11)
    assert.equal(session.data.views, 11)
    assert.equal(await sessions.increment(token, 'views'), 12)
    assert.deepEqual(await data(), { views: 12 })
    session.data.cart = ['a hat']
    await assert.rejects(session.commit(), misfit(['views']))
    assert.deepEqual(await data(), { views: 12 })
  })
})

describe('migrate', () => {
  const schema = z.object({ cart: z.array(z.string()).optional(), views: z.number().optional() })
  const migrate = ({ cart, ...rest }: Record<string, unknown>) => ({
    ...rest,
    ...(cart !== undefined && { cart: [cart].flat() }),
  })

  test('brings older data up to date, and what it changed is written with the next commit', async () => {
    const store = memoryStore()
    const older = createSessions<{ cart: string; views: number }>({ store })
    const { token, id } = await older.create({ cart: 'umbrella', views: 2 })
    const operations = new Operations(readOptions({ store, schema, migrate }))
    const name = new SessionCookie().name
    const state = await openRequest(operations, `${name}=${token}`)
    assert.equal(state.pending(), null, 'nothing is written unless the data is read')
    assert.deepEqual({ ...state.data }, { cart: ['umbrella'], views: 2 })
    await state.commit()
    assert.equal((await operations.load(id))?.fields.get('cart'), '["umbrella"]')
    assert.equal((await operations.load(id))?.fields.get('views'), '2')
  })

  test('that leads nowhere is a DataError, and the session goes on', async () => {
    const store = memoryStore()
    const { token } = await createSessions<{ cart: number }>({ store }).create({ cart: 3 })
    const sessions = createSessions({ store, schema, migrate })
    const session = await sessions.load(token)
    assert.throws(() => session?.data, { code: 'ERR_DATA_INVALID' })
    assert.equal(await sessions.touch(token), true)
  })
})

describe('a schema with defaults and conversions', () => {
  const schema = z.object({ cart: z.array(z.string()).default([]), since: z.coerce.date().optional() })
  const open = async (token: string, store = memoryStore()) => {
    const operations = new Operations(readOptions({ store, schema }))
    return openRequest(operations, `${new SessionCookie().name}=${token}`)
  }

  test('begins no session, and writes nothing, as long as nothing is changed', async () => {
    const visitor = await open('none')
    assert.deepEqual(visitor.data.cart, [])
    assert.equal(visitor.pending(), null)
  })

  test('counts a change deep inside a default', async () => {
    const visitor = await open('none')
    ;(visitor.data.cart as string[]).push('umbrella')
    assert.deepEqual(visitor.pending()?.set, new Map([['cart', '["umbrella"]']]))
  })

  test('gives a Date back as a Date, and takes it for no change', async () => {
    const store = memoryStore()
    const sessions = createSessions({ store, schema })
    const since = new Date('2026-01-02T03:04:05.000Z')
    const { token } = await sessions.create({ since })
    const state = await open(token, store)
    assert.deepEqual(state.data.since, since)
    assert.equal(state.pending(), null)
  })

  test('refuses a change of a request that does not fit, deep inside too, before anything is written', async () => {
    const store = memoryStore()
    const sessions = createSessions({ store, schema })
    const { token } = await sessions.create({ cart: ['umbrella'] })
    const state = await open(token, store)
    ;(state.data.cart as unknown[]).push(1)
    const wrong = { code: 'ERR_DATA_INVALID', fields: ['cart'] }
    assert.throws(() => state.pending(), wrong)
    await assert.rejects(async () => state.commit(), wrong)
    assert.deepEqual((await sessions.peek(token))?.data.cart, ['umbrella'])
  })

  test('keeps what an update wrote over a default', async () => {
    const visitor = await open('none')
    assert.deepEqual(visitor.data.cart, [])
    await visitor.update('cart', (cart) => [...((cart as string[] | undefined) ?? []), 'hat'])
    assert.deepEqual(visitor.data.cart, ['hat'])
    assert.equal(visitor.pending(), null)
  })
})

describe('what a schema says is wrong', () => {
  /** Accepts nothing but no data at all, and finds fault in its own way. */
  const faulty = (issues: readonly { message: string; path?: readonly (PropertyKey | { key: PropertyKey })[] }[]) =>
    ({
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: object) => (Object.keys(value).length === 0 ? { value } : { issues }),
      },
    }) as DataSchema

  test('is told by the names of the fields, each once, and not in its own words', async () => {
    const message = 'umbrella is no hat'
    for (const [issues, fields] of [
      [[{ message, path: ['cart', 0] }], ['cart']],
      [[{ message, path: [{ key: 'cart' }, { key: 0 }] }], ['cart']],
      [
        [
          { message, path: ['cart', 0] },
          { message, path: ['views'] },
          { message, path: ['cart', 1] },
        ],
        ['cart', 'views'],
      ],
      // Of the data as a whole.
      [[{ message }, { message, path: [] }], ['the data']],
    ] as const) {
      const sessions = createSessions<{ cart: string }>({ store: memoryStore(), schema: faulty(issues) as never })
      await assert.rejects(sessions.create({ cart: 'umbrella' }), (error) => {
        assert.ok(error instanceof DataError && !error.message.includes('umbrella'))
        assert.deepEqual(error.fields, fields)
        return true
      })
    }
  })
})

describe('an unusable schema', () => {
  const refuses = (schema: unknown, message: RegExp) =>
    assert.throws(() => createSessions({ store: memoryStore(), schema: schema as DataSchema }), {
      code: 'ERR_CONFIG',
      message,
    })

  test('that does not accept {} is refused at start, naming the field', () =>
    refuses(z.object({ cart: z.array(z.string()) }), /'cart' optional/))

  test('that is asynchronous is refused at start', () =>
    refuses(
      z.object({ cart: z.string().optional() }).refine(async () => true),
      /synchronous/,
    ))

  test('that is asynchronous and fails is refused at start, and does no more', async () => {
    const validate = () => Promise.reject(new Error('no such table'))
    refuses({ '~standard': { version: 1, vendor: 'test', validate } }, /synchronous/)
    // A rejection that nobody has handled by now ends the process: here, it fails this test.
    await new Promise(setImmediate)
  })

  test('that is no Standard Schema is refused at start', () => refuses({ cart: 'string' }, /Standard Schema/))
})
