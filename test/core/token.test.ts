import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { tags } from '../../src/core/tags.ts'
import {
  checkUserId,
  idOfToken,
  isId,
  isToken,
  newToken,
  newTokenBeside,
  partitionOfUser,
  tagOf,
} from '../../src/core/token.ts'

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const partitionOf = (token: string) => Buffer.from(token, 'base64url')[0] ?? assert.fail()

describe('a token', () => {
  it('is 32 random bytes in 43 characters, never the same twice', () => {
    const tokens = Array.from({ length: 2000 }, () => newToken())
    for (const token of tokens) {
      assert.match(token, /^[\w-]{43}$/)
      assert.equal(Buffer.from(token, 'base64url').toString('base64url'), token)
      assert.ok(isToken(token))
    }
    assert.equal(new Set(tokens).size, tokens.length)
    // Every one of the secret bytes takes many values.
    const bytes = tokens.map((token) => Buffer.from(token, 'base64url'))
    for (let i = 0; i < 32; i++) assert.ok(new Set(bytes.map((one) => one[i])).size > 200, `byte ${i}`)
  })

  it('has one spelling only', () => {
    const token = newToken()
    // 43 characters carry two bits more than 32 bytes: other last characters would decode to the same token.
    const spellings = [...BASE64URL].map((last) => token.slice(0, -1) + last)
    const same = spellings.filter((text) => Buffer.from(text, 'base64url').equals(Buffer.from(token, 'base64url')))
    assert.deepEqual([same.length, spellings.filter(isToken).length], [4, 16])
    assert.deepEqual(same.filter(isToken), [token])
    for (const wrong of [
      `${token}=`,
      `${token} `,
      ` ${token}`,
      `${token}\n`,
      token.slice(1),
      `${token}A`,
      `${token.slice(1)}+`,
    ]) {
      assert.equal(isToken(wrong), false, wrong)
    }
    for (const wrong of [undefined, null, 43, {}, [token], Buffer.from(token), Object(token)])
      assert.equal(isToken(wrong), false)
  })

  it('is recognised exactly when it is the canonical text of 32 bytes', () => {
    const nearly = fc.string({
      unit: fc.constantFrom(...BASE64URL, '=', '+', '/', '%', ' ', 'é'),
      minLength: 42,
      maxLength: 44,
    })
    fc.assert(
      fc.property(
        fc.oneof(
          nearly,
          fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
        ),
        (text) => {
          const bytes = Buffer.from(text, 'base64url')
          assert.equal(isToken(text), bytes.length === 32 && bytes.toString('base64url') === text)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('begins with the partition of its user, and beside a session with that of the session', () => {
    for (const userId of ['ada', '', 'é{}', '1']) {
      const partition = createHash('sha256').update(userId).digest()[0]
      assert.equal(partitionOfUser(userId), partition)
      for (let i = 0; i < 5; i++) assert.equal(partitionOf(newToken(userId)), partition)
    }
    for (const [p, tag] of tags.entries()) {
      const token = newTokenBeside(`${tag}${'A'.repeat(22)}`)
      assert.equal(partitionOf(token), p)
      assert.equal(tagOf(idOfToken(token)), tag)
    }
    const partitions = new Set(Array.from({ length: 5000 }, () => partitionOf(newToken())))
    assert.equal(partitions.size, 256)
  })
})

describe('an id', () => {
  it('is the tag and 16 bytes of the SHA-256 of the token: the format never changes', () => {
    const token = Buffer.alloc(32, 7).toString('base64url')
    const digest = createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url')
    assert.equal(idOfToken(token), `${tags[7]}${digest}`)
    assert.equal(idOfToken('BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc'), 'qR3Ev4DHdHPRMPoN6GukAY_g')
  })

  it('has the form of an id, is different for each token, and is no token', () => {
    const ids = Array.from({ length: 1000 }, () => idOfToken(newToken()))
    for (const id of ids) assert.deepEqual([id.length, isId(id), isToken(id)], [24, true, false])
    assert.equal(new Set(ids).size, ids.length)
  })

  it('has one spelling only', () => {
    const id = idOfToken(newToken())
    const same = [...BASE64URL].map((last) => id.slice(0, -1) + last).filter(isId)
    assert.ok(same.includes(id) && same.length === 4)
    for (const wrong of [
      `zz${id.slice(2)}`,
      id.slice(1),
      `${id}A`,
      `${id.slice(0, 10)}:${id.slice(11)}`,
      `${id} `,
      '',
      undefined,
      24,
      {},
      [id],
    ]) {
      assert.equal(isId(wrong), false)
    }
    assert.equal(isId(newToken()), false)
  })
})

describe('a user id', () => {
  it('is a well-formed string of 1 to 256 bytes', () => {
    for (const good of ['a', '1', ' ', '\u0000', '{}', 'x'.repeat(256), 'é'.repeat(128), '\u{1f9e5}'.repeat(64)]) {
      assert.equal(checkUserId(good), good)
    }
    for (const wrong of [
      '',
      'x'.repeat(257),
      'é'.repeat(129),
      '\ud800',
      'a\udc00',
      undefined,
      null,
      1,
      1n,
      {},
      ['a'],
    ]) {
      assert.throws(() => checkUserId(wrong), { code: 'ERR_ARGUMENT', message: /user id/ })
    }
  })
})
