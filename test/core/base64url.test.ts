import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { byteAt, first16 } from '../../src/core/base64url.ts'

test('bytes and beginnings of base64url are those of the buffer that it was made of', () => {
  for (let i = 0; i < 500; i++) {
    const bytes = randomBytes(32)
    const text = bytes.toString('base64url')
    assert.deepEqual(
      Array.from({ length: 32 }, (_, at) => byteAt(text, at)),
      [...bytes],
    )
    assert.equal(first16(text), bytes.toString('base64url', 0, 16))
  }
})
