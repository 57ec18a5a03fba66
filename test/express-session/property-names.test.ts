import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeProperties, encodeProperties } from '../../src/adapters/express-session/properties.ts'

describe('the properties of a session', () => {
  it('keep their names, whatever these are, by way of UTF-8', () => {
    const names = [
      'a',
      'roles',
      'user_id',
      '_x',
      '__proto__',
      '',
      'ключ',
      '👜',
      'n'.repeat(300),
      '\ud800',
      'a\udc00',
      '"\ud800"',
    ]
    names.push('_p:roles', '_p:', '_j:"x"', '_cookie', '_expires', '_ended', 'constructor', 'toString', '0')
    const session = Object.fromEntries(names.map((name, i) => [name, i]))
    const sent = [...encodeProperties(session)].map(([field, text]) => [Buffer.from(field).toString(), text] as const)
    assert.equal(new Set(sent.map(([field]) => field)).size, names.length)
    assert.deepEqual(decodeProperties(new Map(sent)), session)
  })
})
