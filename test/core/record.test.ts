import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dataFields, decodeData, expiresAt, parseRecord, snapshot } from '../../src/core/record.ts'

const GOOD = {
  created_at: '1700000000000',
  last_accessed_at: '1700000001000',
  session_ttl: '0.5',
  deadline: '1700000002000',
}
const parse = (fields: Record<string, string | undefined>) =>
  parseRecord(
    'id',
    new Map(Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined)),
  )

describe('a stored session', () => {
  it('is read from its fields', () => {
    const record = parse({ ...GOOD, user_id: 'ada', name: 'x' })
    assert.deepEqual(
      { ...record, fields: undefined },
      {
        id: 'id',
        userId: 'ada',
        createdAt: 1_700_000_000_000,
        lastAccessedAt: 1_700_000_001_000,
        idleTimeout: 500,
        deadline: 1_700_000_002_000,
        fields: undefined,
      },
    )
    assert.equal(parse(GOOD)?.userId, null)
  })

  it('is none without each of its four, with nonsense in one, or of a later format', () => {
    for (const field of Object.keys(GOOD)) {
      for (const wrong of [
        undefined,
        '',
        '-1',
        'x',
        'NaN',
        'Infinity',
        '1e3',
        '0x1',
        ' 1',
        '1 ',
        '1\n',
        '١',
        '9'.repeat(22),
      ]) {
        assert.equal(parse({ ...GOOD, [field]: wrong }), null, `${field} = ${wrong}`)
      }
    }
    for (const wrong of ['0', '0.0', '0.0001', '.5', '5.', '1.2.3', '99999999999']) {
      assert.equal(parse({ ...GOOD, session_ttl: wrong }), null, `session_ttl = ${wrong}`)
    }
    for (const version of ['', '1', '2']) assert.equal(parse({ ...GOOD, _v: version }), null)
  })

  it('ends by its idle timeout, or at its deadline if that comes first', () => {
    assert.equal(expiresAt({ lastAccessedAt: 1000, idleTimeout: 500, deadline: 2000 }), 1500)
    assert.equal(expiresAt({ lastAccessedAt: 1800, idleTimeout: 500, deadline: 2000 }), 2000)
  })

  it("is shown with the application's fields only, decoded, and pollutes no prototype", () => {
    const fields = new Map(
      Object.entries({ ...GOOD, user_id: 'ada', roles: '["x"]', _v9: 'x', list: '[1]', name: 'Ada' }),
    )
    fields.set('__proto__', '{"polluted":1}')
    assert.deepEqual(Object.fromEntries(dataFields(fields)), { list: '[1]', name: 'Ada' })
    assert.deepEqual(decodeData(dataFields(fields)), { list: [1], name: 'Ada' })
    const record = parseRecord('id', fields) ?? assert.fail()
    assert.deepEqual(snapshot(record, null).data, { list: [1], name: 'Ada' })
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
    assert.equal((snapshot(record, null).data as { polluted?: unknown }).polluted, undefined)
  })
})
