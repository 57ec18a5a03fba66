import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../src/core/codec.ts'

/** Any string, half surrogates included. */
const anyString = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.array(utf16()).map((units) => units.join('')),
)

function utf16() {
  return fc
    .oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff }))
    .map((unit) => String.fromCharCode(unit))
}

const { tree: anyJson } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false, '', 'null', '-', '0x1', '1e5', '[', '{', '"'),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    anyString,
    fc.array(tie('tree')),
    fc.dictionary(anyString, tie('tree'), { noNullPrototype: true }),
  ),
}))

/** As JSON defines it, and no more. */
const NUMBER_GRAMMAR = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/

describe('the text of a value', () => {
  it('gives back every JSON value', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        assert.deepEqual(decode(encode('field', value)), value)
      }),
      { numRuns: 2000 },
    )
  })

  it('gives back every string, and can be kept by Redis as UTF-8', () => {
    fc.assert(
      fc.property(anyString, (text) => {
        const stored = encode('field', text)
        assert.ok(stored.isWellFormed())
        assert.equal(decode(Buffer.from(stored).toString()), text)
      }),
      { numRuns: 2000 },
    )
  })

  it('gives back integers to ±(2^53 − 1), spelt so that Redis can count on them', () => {
    for (const n of [0, 1, -1, 42, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      assert.equal(encode('field', n), `${n}`)
      assert.equal(decode(`${n}`), n)
    }
    fc.assert(fc.property(fc.maxSafeInteger(), (n) => encode('field', n) === `${n}` && decode(`${n}`) === n))
  })

  it('is the string itself unless that could be read as something else', () => {
    for (const text of [
      'andrew',
      '',
      'two words',
      'nullx',
      'True',
      'truee',
      '007',
      '+1',
      '1.',
      '.5',
      '1e',
      '0x10',
      '-',
      'é',
      "'",
      'NaN',
      'Infinity',
      ' 1',
      '1 ',
      '１',
      '\u0000',
      '-Infinity',
    ]) {
      assert.equal(encode('field', text), text)
      assert.equal(decode(text), text)
    }
    for (const text of [
      'null',
      'true',
      'false',
      '1',
      '-1',
      '-0',
      '0',
      '1.5',
      '1e5',
      '1E-5',
      '1e400',
      '"',
      '"x"',
      '[',
      '[]',
      '{',
      '{"a":1}',
      '\ud800',
      'x\udfff',
    ]) {
      assert.equal(encode('field', text), JSON.stringify(text))
      assert.equal(decode(encode('field', text)), text)
    }
  })

  it('is JSON for all else, readable by people', () => {
    for (const [value, text] of [
      [null, 'null'],
      [true, 'true'],
      [false, 'false'],
      [1.5, '1.5'],
      [1e21, '1e+21'],
      [[], '[]'],
      [['a', 1], '["a",1]'],
      [{ a: { b: [] } }, '{"a":{"b":[]}}'],
      [{ a: undefined, b: 1 }, '{"b":1}'],
      [Object.create(null), '{}'],
      [new Date(0), '"1970-01-01T00:00:00.000Z"'],
      [new URL('https://example.org/'), '"https://example.org/"'],
      [{ toJSON: () => 'x' }, '"x"'],
    ] as const) {
      assert.equal(encode('field', value), text)
    }
  })

  it('does not exist for what JSON would lose or change', () => {
    const cycle: { self?: unknown } = {}
    cycle.self = [cycle]
    for (const value of [
      ...[undefined, Number.NaN, Infinity, -Infinity, 1n, () => 1, Symbol('s'), cycle],
      ...[new Map(), new Set(), new WeakMap(), /x/, new Error('x'), new Uint8Array(1), Promise.resolve(), Object(1)],
      ...[
        [undefined],
        Array(2),
        [Number.NaN],
        { a: [1n] },
        { a: { b: Infinity } },
        { a: () => 1 },
        { toJSON: () => undefined },
      ],
      ...[{ a: new Map() }, [new Date(Number.NaN), new Set()]],
    ]) {
      assert.throws(() => encode('myField', value), { code: 'ERR_FIELD_VALUE', field: 'myField', message: /'myField'/ })
    }
  })

  it('written by another hand is read as JSON where it is JSON, and else as it stands', () => {
    for (const [text, value] of [
      ['[1, 2 ]', [1, 2]],
      ['"\\u0041"', 'A'],
      ['1.0', 1],
      ['1e3', 1000],
      ['{"a":1,"a":2}', { a: 2 }],
      ['9007199254740993', 9007199254740992],
      ['[1', '[1'],
      ['{x}', '{x}'],
      ['"half', '"half'],
      ['[1] x', '[1] x'],
      ["{'a':1}", "{'a':1}"],
      ['1e400', '1e400'],
      ['-1e400', '-1e400'],
      ['[1e400]', '[1e400]'],
      ['{"a":{"b":-1E+999}}', '{"a":{"b":-1E+999}}'],
      [`[${'9'.repeat(400)}]`, `[${'9'.repeat(400)}]`],
      ['[1e300]', [1e300]],
      ['{"e":"1e400"}', { e: '1e400' }],
    ] as const) {
      assert.deepEqual(decode(text), value, text)
      // What has been read can be written again.
      assert.deepEqual(decode(encode('field', decode(text))), value, text)
    }
  })

  it('written by any hand at all never fails to be read, and follows the grammar of JSON alone', () => {
    const likeJson = fc
      .array(fc.constantFrom('[', ']', '{', '}', '"', ',', ':', '1', '-', 'e', '.', 'null', ' '))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.oneof(anyString, likeJson), (text) => {
        const value = decode(text)
        const json = /^["[{]/.test(text) || /^(true|false|null)$/.test(text) || NUMBER_GRAMMAR.test(text)
        if (!json) assert.equal(value, text)
        else if (typeof value !== 'string') assert.deepEqual(value, JSON.parse(text))
        assert.deepEqual(decode(encode('field', value)), Object.is(value, -0) ? 0 : value)
      }),
      { numRuns: 3000 },
    )
  })

  it('goes 500 levels deep: what is deeper is refused, and where another hand wrote it stays text', () => {
    const arrays = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    const objects = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
    for (const nested of [arrays, objects]) {
      const deepest: unknown = JSON.parse(nested(500))
      assert.equal(encode('field', deepest), nested(500))
      assert.deepEqual(decode(nested(500)), deepest)
      const tooDeep = { code: 'ERR_FIELD_VALUE', message: /500 levels/ }
      assert.throws(() => encode('field', JSON.parse(nested(501))), tooDeep)
      assert.equal(decode(nested(501)), nested(501))
    }
    // Brackets in a string are no levels.
    const brackets = ['['.repeat(501), '\\"'.repeat(501)]
    assert.deepEqual(decode(encode('field', brackets)), brackets)
  })

  it('keeps a key called __proto__, deep inside too, and pollutes no prototype', () => {
    const value = JSON.parse('{"__proto__":{"polluted":1},"a":[{"__proto__":2}]}')
    assert.deepEqual(decode(encode('field', value)), value)
    assert.equal(Object.hasOwn(decode(encode('field', value)) as object, '__proto__'), true)
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  })
})
