import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RESERVED_FIELDS } from '../../src/core/fields.ts'
import { CoatcheckError, createSessions, type Session, type SessionStore, type Sessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { useRedis } from '../redis/support.ts'

// What cannot be stored is refused, each with the code that says why, and nothing of what is there is lost.

type Data = Record<string, unknown>

const RESERVED = [...RESERVED_FIELDS, '_', '_v', '_successor', '__proto__', '_anything']
const NO_NAMES: unknown[] = ['', 'n'.repeat(257), 'n'.repeat(10_240), '\ud800', 'a\udc00b']
const NO_STRINGS: unknown[] = [undefined, null, 7, {}, ['a'], Symbol('a'), () => 'a', { toString: () => 'a' }]

const cycle: Data = {}
cycle.self = { cycle }
const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
const MEGABYTE = 1_048_576

const NO_VALUES: Record<string, unknown> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  'a number beyond all others, from JSON': JSON.parse('1e400'),
  'NaN deep inside': { a: [{ b: Number.NaN }] },
  'a bigint': 2n ** 64n,
  'a symbol': Symbol('a'),
  'a function': () => 1,
  'a function deep inside': { a: { b: () => 1 } },
  'a Map': new Map([['a', 1]]),
  'a Set': new Set([1]),
  'a RegExp': /a/,
  'an Error': new Error('a'),
  'a promise, as of an async function': Promise.resolve(1),
  bytes: new Uint8Array(3),
  'a boxed string': Object('a'),
  'undefined in an array': [1, undefined],
  'a cycle': cycle,
  '501 levels': nested(501),
  '100,000 levels': nested(100_000),
  'what fails to become JSON': {
    toJSON() {
      throw new Error('the secret')
    },
  },
}

const TOO_LARGE: Record<string, unknown> = {
  'a byte too much': 'x'.repeat(MEGABYTE + 1),
  'a byte too much, in characters of two': `${'é'.repeat(MEGABYTE / 2)}x`,
  'a list of a megabyte': Array.from({ length: 200_000 }, (_, i) => i),
}

/** What is strange, and kept all the same. */
const KEPT: Record<string, unknown> = {
  'lone surrogates': ['\ud800', { a: 'x\udfff' }, 'é'],
  'a lone surrogate alone': '\ud800',
  'NUL bytes': 'a\u0000b\u0000',
  'a megabyte': 'x'.repeat(MEGABYTE),
  'a megabyte in characters of two': 'é'.repeat(MEGABYTE / 2),
  '500 levels': nested(500),
  'names of the language inside a value': JSON.parse('{"__proto__":{"a":1},"constructor":null,"toJSON":1,"then":2}'),
  'text that looks like JSON': ['1', '[', '{"a"', '"', 'null', '1e5'],
  'the text 1': '1',
  'the text [': '[',
  'the largest integer': 2 ** 53 - 1,
  'beyond the largest integer': 2 ** 53,
  'a fraction': 1.5,
}

const NO_INCREMENTS: unknown[] = [1.5, 2 ** 53, -(2 ** 53), Number.NaN, Infinity, '1', null, 1n, {}, [1], true]
const NO_DURATIONS: unknown[] = [
  ...[0, -1, 0.4, 1e20, Number.NaN, Infinity, -Infinity, 'abc', '', ' ', '30 parsecs', '-1m', '1e20', 'NaN', '0'],
  ...[null, {}, [], [1000], true, 10n, Symbol('a'), () => 1, 'x'.repeat(200), '13h', 13 * 3_600_000],
]

/** Where the session's data is handed over. Each gets the session by its token, and as a request has it. */
type Write = (
  target: { sessions: Sessions<Data>; token: string; session: Session<Data> },
  data: Data,
) => Promise<unknown>

const WRITES: Record<string, Write> = {
  create: ({ sessions }, data) => sessions.create(data),
  set: ({ sessions, token }, data) => sessions.set(token, data),
  commit({ session }, data) {
    Object.assign(session.data, data)
    return session.commit()
  },
}

/** Where one field is. */
type WriteField = (
  target: { sessions: Sessions<Data>; token: string; session: Session<Data> },
  field: never,
  value: unknown,
) => Promise<unknown>

const FIELD_WRITES: Record<string, WriteField> = {
  'sessions.update': ({ sessions, token }, field, value) => sessions.update(token, field, () => value),
  'session.update': ({ session }, field, value) => session.update(field, () => value),
}
const INCREMENTS: Record<string, WriteField> = {
  'sessions.increment': ({ sessions, token }, field, by) => sessions.increment(token, field, by as number),
  'session.increment': ({ session }, field, by) => session.increment(field, by as number),
}

function badInput(open: () => Promise<{ store: SessionStore; content(): Promise<unknown> }>) {
  const DATA = { text: 'abc', list: [1, { a: 'ü' }], count: 2 ** 53 - 1, least: 1 - 2 ** 53, half: 1.5, quoted: '1' }

  async function begin(data: Data = DATA) {
    const { store, content } = await open()
    const sessions = createSessions<Data>({ store, touchInterval: '5m' })
    const { token, id } = await sessions.create(data)
    const asRequest = async () => {
      const request = {}
      await sessions.openRequest(request, `__Host-sid=${token}`)
      return sessions.of(request)
    }
    /** An update looks at the field as it is now, which is an access, before it fails: then only the data counts. */
    const state = async (touched: boolean) => {
      const session = await sessions.find(id)
      return touched ? session?.data : { content: await content(), session, count: await sessions.count() }
    }
    const before = new Map([true, false].map((touched) => [touched, state(touched)]))
    await Promise.all(before.values())
    return {
      sessions,
      token,
      id,
      asRequest,
      /** The call fails with this code, and everything is as it was. */
      async refused(
        run: (target: Parameters<Write>[0]) => Promise<unknown>,
        code: string,
        what: string,
        { touched = false } = {},
      ) {
        const session = await asRequest()
        const error = await Promise.resolve()
          .then(() => run({ sessions, token, session }))
          .then(
            () => assert.fail(`${what}: done`),
            (error: unknown) => error,
          )
        assert.ok(error instanceof CoatcheckError, `${what}: ${error}`)
        assert.equal(error.code, code, what)
        assert.ok(error.message.length > 20 && error.message.length < 400, `${what}: ${error.message}`)
        assert.doesNotMatch(`${error.stack} ${error.cause}`, /the secret/)
        assert.deepEqual(await state(touched), await before.get(touched), what)
      },
    }
  }

  /** An object with this one property, whatever its name. */
  const only = (field: string, value: unknown): Data => Object.fromEntries([[field, value]])

  for (const [name, write] of Object.entries(WRITES)) {
    it(`${name} refuses names that are reserved, or none`, async () => {
      const { refused } = await begin()
      for (const field of RESERVED) {
        const data = { good: 1, ...JSON.parse(`{${JSON.stringify(field)}:1}`), better: 2 }
        await refused((target) => write(target, data), 'ERR_FIELD_RESERVED', field)
      }
      for (const field of NO_NAMES as string[]) {
        await refused((target) => write(target, { good: 1, ...only(field, 1) }), 'ERR_FIELD_NAME', field)
      }
    })

    it(`${name} refuses what JSON cannot keep, and what is too large`, async () => {
      const { refused } = await begin()
      for (const [what, value] of Object.entries(NO_VALUES)) {
        await refused((target) => write(target, { good: 1, bad: value }), 'ERR_FIELD_VALUE', what)
      }
      for (const [what, value] of Object.entries(TOO_LARGE)) {
        await refused((target) => write(target, { good: 1, bad: value }), 'ERR_FIELD_TOO_LARGE', what)
      }
    })

    it(`${name} keeps what is only strange`, async () => {
      const { sessions, token, asRequest } = await begin({})
      const created = await write({ sessions, token, session: await asRequest() }, KEPT)
      const at = name === 'create' ? (created as { token: string }).token : token
      assert.deepEqual((await sessions.peek(at))?.data, KEPT)
    })
  }

  it('create and set refuse what is no object of fields', async () => {
    const { refused } = await begin()
    for (const data of [null, 'abc', 42, true, ['a'], new Map([['a', 1]]), () => ({ a: 1 }), new Date()] as never[]) {
      await refused(({ sessions }) => sessions.create(data), 'ERR_ARGUMENT', `create(${String(data)})`)
      await refused(({ sessions, token }) => sessions.set(token, data), 'ERR_ARGUMENT', `set(${String(data)})`)
    }
  })

  for (const [name, write] of Object.entries(FIELD_WRITES)) {
    it(`${name} refuses names and values alike`, async () => {
      const { refused } = await begin()
      for (const field of RESERVED as never[]) await refused((t) => write(t, field, 1), 'ERR_FIELD_RESERVED', field)
      for (const field of [...NO_NAMES, ...NO_STRINGS] as never[]) {
        await refused((target) => write(target, field, 1), 'ERR_FIELD_NAME', typeof field)
      }
      for (const [what, value] of Object.entries(NO_VALUES)) {
        await refused((target) => write(target, 'text' as never, value), 'ERR_FIELD_VALUE', what, { touched: true })
      }
      for (const [what, value] of Object.entries(TOO_LARGE)) {
        await refused((target) => write(target, 'text' as never, value), 'ERR_FIELD_TOO_LARGE', what, { touched: true })
      }
    })

    it(`${name} keeps what is only strange, also in fields with names of the language`, async () => {
      const { sessions, token, asRequest } = await begin({})
      const target = { sessions, token, session: await asRequest() }
      for (const [what, value] of Object.entries(KEPT)) {
        assert.deepEqual(await write(target, 'strange' as never, value), value, what)
        assert.deepEqual((await sessions.peek(token))?.data, { strange: value }, what)
      }
      await sessions.set(token, {})
      for (const field of ['constructor', 'toString', 'hasOwnProperty', 'then', 'a\u0000b', '\r\n', '{x}', '*']) {
        assert.equal(await write({ ...target, session: await asRequest() }, field as never, 1), 1)
        assert.deepEqual({ ...(await sessions.peek(token))?.data }, { [field]: 1 })
        assert.equal(
          await write({ ...target, session: await asRequest() }, field as never, undefined),
          undefined,
          field,
        )
        assert.deepEqual((await sessions.peek(token))?.data, {}, field)
      }
    })
  }

  for (const [name, increment] of Object.entries(INCREMENTS)) {
    it(`${name} refuses names, amounts, fields that hold no integer, and what would be out of range`, async () => {
      const { refused } = await begin()
      for (const field of RESERVED as never[]) await refused((t) => increment(t, field, 1), 'ERR_FIELD_RESERVED', field)
      for (const field of [...NO_NAMES, ...NO_STRINGS] as never[]) {
        await refused((target) => increment(target, field, 1), 'ERR_FIELD_NAME', typeof field)
      }
      for (const by of NO_INCREMENTS) {
        await refused((target) => increment(target, 'n' as never, by), 'ERR_ARGUMENT', String(by))
      }
      for (const field of ['text', 'list', 'half', 'quoted'] as never[]) {
        await refused((target) => increment(target, field, 1), 'ERR_FIELD_NOT_INTEGER', field)
      }
      await refused((target) => increment(target, 'count' as never, 1), 'ERR_FIELD_RANGE', 'the largest and 1')
      await refused(
        (target) => increment(target, 'count' as never, 2 ** 53 - 1),
        'ERR_FIELD_RANGE',
        'twice the largest',
      )
      await refused((target) => increment(target, 'least' as never, -1), 'ERR_FIELD_RANGE', 'the least and -1')
    })

    it(`${name} goes to the ends of the range, and back`, async () => {
      const { sessions, token, asRequest } = await begin({ n: 0 })
      const target = { sessions, token, session: await asRequest() }
      for (const [by, sum] of [
        [2 ** 53 - 1, 2 ** 53 - 1],
        [1 - 2 ** 53, 0],
        [1 - 2 ** 53, 1 - 2 ** 53],
        [0, 1 - 2 ** 53],
        [2 ** 53 - 1, 0],
        [-0, 0],
      ] as const) {
        assert.equal(await increment(target, 'n' as never, by), sum)
        assert.equal((await sessions.peek(token))?.data.n, sum)
      }
    })
  }

  it('durations that are none are refused wherever one is given', async () => {
    const { refused } = await begin()
    for (const bad of NO_DURATIONS as never[]) {
      const what = `${typeof bad} ${String(bad).slice(0, 20)}`
      await refused(({ sessions, token }) => sessions.setIdleTimeout(token, bad), 'ERR_ARGUMENT', what)
      await refused(async ({ session }) => session.setIdleTimeout(bad), 'ERR_ARGUMENT', what)
      if (bad !== null) await refused(({ sessions }) => sessions.create({}, { idleTimeout: bad }), 'ERR_ARGUMENT', what)
    }
    for (const bad of [0, -1, 1e20, Number.NaN, 'abc', '', null, {}, '11y'] as never[]) {
      await refused(({ sessions }) => sessions.create({}, { lifetime: bad }), 'ERR_ARGUMENT', `lifetime ${String(bad)}`)
    }
    for (const bad of [0, -1, 1.5, 1001, Number.NaN, '10', null] as never[]) {
      await refused(({ sessions }) => sessions.recent(bad), 'ERR_ARGUMENT', `recent(${bad})`)
    }
  })

  it('a request whose bad field is taken back can commit the rest', async () => {
    const { sessions, token, asRequest } = await begin()
    const session = await asRequest()
    session.data.text = 'changed'
    session.data.bad = Number.NaN
    await assert.rejects(session.commit(), { code: 'ERR_FIELD_VALUE', field: 'bad' })
    assert.deepEqual((await sessions.peek(token))?.data, DATA)
    delete session.data.bad
    await session.commit()
    assert.deepEqual((await sessions.peek(token))?.data, { ...DATA, text: 'changed' })
  })

  it('of updates at once, only the one with a bad value fails', async () => {
    const { sessions, token } = await begin({ list: [] })
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        sessions.update(token, 'list', (list) => [...(list as unknown[]), i === 7 ? Number.NaN : i]),
      ),
    )
    const failed = results.flatMap((result, i) => (result.status === 'rejected' ? [[i, result.reason.code]] : []))
    assert.deepEqual(failed, [[7, 'ERR_FIELD_VALUE']])
    const list = (await sessions.peek(token))?.data.list
    assert.ok(Array.isArray(list))
    assert.deepEqual(
      list.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 7),
    )
  })
}

describe('bad input, on memoryStore', () => {
  badInput(async () => ({ store: memoryStore(), content: async () => null }))
})

describe('bad input, on redisStore', () => {
  const redis = useRedis()
  badInput(async () => {
    await redis.client.flushAll()
    return { store: redisStore(redis.client), content: () => redis.server.dump() }
  })
})
