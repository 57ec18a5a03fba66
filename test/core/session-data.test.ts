import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encode } from '../../src/core/codec.ts'
import { SessionData } from '../../src/core/session-data.ts'

const loaded = (fields: Record<string, string>) => new SessionData(new Map(Object.entries(fields)))

function changesOf(data: SessionData): { set: Record<string, string>; remove: readonly string[] } {
  const { set, remove } = data.changes()
  return { set: Object.fromEntries(set), remove }
}
const NONE = { set: {}, remove: [] }

describe("a request's session data", () => {
  it('is plain values, and unchanged when nothing was changed', () => {
    const data = loaded({ name: 'Ada', list: '[1,{"a":2}]', views: '3', none: 'null', odd: '[half' })
    assert.deepEqual(data.values, { name: 'Ada', list: [1, { a: 2 }], views: 3, none: null, odd: '[half' })
    assert.deepEqual(changesOf(data), NONE)
    assert.deepEqual(Object.keys(data.values), ['name', 'list', 'views', 'none', 'odd'])
    assert.equal(
      JSON.stringify({ ...data.values, list: 0 }),
      '{"name":"Ada","list":0,"views":3,"none":null,"odd":"[half"}',
    )
  })

  it('has changed where a value is another, new, or changed deep inside', () => {
    const data = loaded({ name: 'Ada', list: '[1,{"a":[]}]', views: '3', same: 'x' })
    const { values } = data
    values.name = 'Grace'
    const list = values.list as [number, { a: number[] }]
    list[1].a.push(5)
    values.views = '3'
    values.same = 'x'
    values.added = { deep: true }
    assert.deepEqual(changesOf(data), {
      set: { name: 'Grace', list: '[1,{"a":[5]}]', views: '"3"', added: '{"deep":true}' },
      remove: [],
    })
  })

  it('has not changed where a change was taken back', () => {
    const data = loaded({ list: '[1]' })
    const { list } = data.values as { list: number[] }
    list.push(2)
    list.pop()
    data.values.other = 1
    delete data.values.other
    assert.deepEqual(changesOf(data), NONE)
  })

  it('has lost a field that was deleted or set to undefined', () => {
    const data = loaded({ a: '1', b: '2', c: '3' })
    delete data.values.a
    data.values.b = undefined
    data.values.d = undefined
    assert.deepEqual(changesOf(data), { set: {}, remove: ['a', 'b'] })
  })

  it('may have fields with the names of what every object has', () => {
    const names = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf']
    const data = loaded(Object.fromEntries(names.map((name) => [name, 'x'])))
    for (const name of names) delete data.values[name]
    assert.deepEqual(changesOf(data), { set: {}, remove: names })
    const fresh = loaded({})
    assert.equal(fresh.changed('toString'), false)
    fresh.values.toString = 5 as never
    assert.deepEqual(changesOf(fresh), { set: { toString: '5' }, remove: [] })
  })

  it("does not take another hand's spelling of a value for a change", () => {
    for (const text of [
      '[ 1, 2 ]',
      '"plain"',
      '1.0',
      '1e3',
      '-0',
      '{"a":1,"a":2}',
      '"\\u0041"',
      '[half',
      '"half',
      '1e400',
      '[1e400]',
      '9007199254740993',
      '{"a":"\\ud800"}',
    ]) {
      assert.deepEqual(changesOf(loaded({ field: text })), NONE, text)
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (field) => assert.deepEqual(changesOf(loaded({ field })), NONE)),
    )
  })

  it('does not change by being stored: what was written is what will be read', () => {
    const data = loaded({})
    data.values.date = new Date(0)
    data.values.object = { gone: undefined, kept: [new URL('https://example.org')] }
    data.values.text = '42'
    const stored = data.changes()
    assert.equal(stored.set.size, 3)
    data.committed(stored)
    assert.deepEqual(changesOf(data), NONE)
    assert.deepEqual(changesOf(new SessionData(new Map(stored.set))), NONE)
    assert.deepEqual(new SessionData(new Map(stored.set)).values, {
      date: '1970-01-01T00:00:00.000Z',
      object: { kept: ['https://example.org/'] },
      text: '42',
    })
  })

  it('keeps changes made while others are on their way to the store', () => {
    const data = loaded({ a: '1', b: '1' })
    data.values.a = 2
    delete data.values.b
    const sent = data.changes()
    data.values.a = 3
    data.values.b = 4
    data.committed(sent)
    assert.deepEqual(changesOf(data), { set: { a: '3', b: '4' }, remove: [] })
  })

  it('takes over what the store holds now', () => {
    const data = loaded({ a: '1' })
    data.adopt('a', '5')
    data.adopt('b', '[1]')
    assert.deepEqual(data.values, { a: 5, b: [1] })
    assert.deepEqual(changesOf(data), NONE)
    data.adopt('a', null)
    assert.deepEqual(data.values, { b: [1] })
    assert.deepEqual(changesOf(data), NONE)
  })

  it('refuses names and values that cannot be stored, where they were changed', () => {
    for (const [field, value, code] of [
      ['_v', 1, 'ERR_FIELD_RESERVED'],
      ['user_id', 'x', 'ERR_FIELD_RESERVED'],
      ['', 1, 'ERR_FIELD_NAME'],
      ['x'.repeat(10_000), 1, 'ERR_FIELD_NAME'],
      ['\ud800', 1, 'ERR_FIELD_NAME'],
      ['list', [undefined], 'ERR_FIELD_VALUE'],
      ['map', new Map(), 'ERR_FIELD_VALUE'],
    ] as const) {
      const data = loaded({ a: '1' })
      data.values[field] = value
      assert.throws(() => data.changes(), { code })
    }
  })

  it('refuses __proto__ where it is assigned, and becomes no other kind of object', () => {
    for (const value of [{ admin: true }, 'x', null, 5]) {
      const data = loaded({ a: '1' })
      const assign = () => Object.assign(data.values, JSON.parse(`{"__proto__":${JSON.stringify(value)}}`))
      assert.throws(assign, { code: 'ERR_FIELD_RESERVED', field: '__proto__' })
      assert.throws(() => {
        // As an application that takes names from a request.
        const name = '__proto__' as string
        data.values[name] = value
      }, /__proto__/)
      assert.equal((data.values as { admin?: unknown }).admin, undefined)
      assert.equal(Object.getPrototypeOf(data.values), Object.prototype)
      assert.deepEqual(changesOf(data), NONE)
    }
  })

  it('tells exactly the difference of any two states', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constant(undefined))
    const state = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'toString'), value, { noNullPrototype: true })
    fc.assert(
      fc.property(state, state, (before, after) => {
        const stored = (object: Record<string, unknown>) =>
          new Map(
            Object.entries(object).flatMap(([field, one]) =>
              one === undefined ? [] : [[field, encode(field, one)] as const],
            ),
          )
        const data = new SessionData(stored(before))
        for (const field of Object.keys(data.values)) if (!Object.hasOwn(after, field)) delete data.values[field]
        for (const [field, one] of Object.entries(after)) data.values[field] = structuredClone(one)
        const { set, remove } = data.changes()
        const result = stored(before)
        for (const [field, text] of set) {
          assert.notEqual(result.get(field), text)
          result.set(field, text)
        }
        for (const field of remove) assert.ok(result.delete(field))
        assert.deepEqual(result, stored(after))
      }),
    )
  })
})
