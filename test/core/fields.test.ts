import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkField, isReserved, RESERVED_FIELDS } from '../../src/core/fields.ts'

describe("the name of an application's field", () => {
  it('is any well-formed string of 1 to 256 characters', () => {
    const good = [
      'a',
      '0',
      'page_views',
      'two words',
      '\n',
      '\u0000',
      '{tag}',
      'é',
      '\u{1f9e5}',
      'x'.repeat(256),
      '-_',
      'Created_at',
    ]
    for (const field of [...good, 'constructor', 'toString', 'hasOwnProperty', 'status', 'ok']) checkField(field)
  })

  it('is refused when it is none', () => {
    for (const wrong of [
      '',
      'x'.repeat(257),
      'x'.repeat(10_000),
      '\ud800',
      'a\udfff',
      undefined,
      null,
      7,
      {},
      Symbol('s'),
    ]) {
      assert.throws(
        () => checkField(wrong as never),
        (error: Error & { code?: string; field?: string }) => {
          assert.equal(error.code, 'ERR_FIELD_NAME')
          // Whoever sends a name of 10 kB does not fill the log with it.
          assert.ok(error.message.length < 200 && (error.field?.length ?? 0) <= 32)
          return true
        },
      )
    }
  })

  it("is refused when it is one of coatcheck's own", () => {
    for (const field of [...RESERVED_FIELDS, '_', '_v', '_successor', '_sealed_until', '__proto__', '_anything']) {
      assert.equal(isReserved(field), true)
      assert.throws(() => checkField(field), { code: 'ERR_FIELD_RESERVED', field, message: new RegExp(`'${field}'`) })
    }
    for (const field of ['created', 'a_', 'userId', 'Roles']) assert.equal(isReserved(field), false)
  })
})
