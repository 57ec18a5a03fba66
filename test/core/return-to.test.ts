import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { safeReturnTo } from '../../src/core/return-to.ts'

describe('the path to return to', () => {
  for (const [value, path] of [
    ['/', '/'],
    ['/cart', '/cart'],
    ['/cart?item=1&next=//x#top', '/cart?item=1&next=//x#top'],
    ['/a//b', '/a//b'],
    ['/a/../b', '/b'],
    ['/search?q=a b', '/search?q=a%20b'],
    ['/Müller/😀', '/M%C3%BCller/%F0%9F%98%80'],
    ['/a\\b', '/a/b'],
    ['/:80', '/:80'],
    ['/@evil.example', '/@evil.example'],
    ['/%2F%2Fevil.example', '/%2F%2Fevil.example'],
    ['/\ud800', '/%EF%BF%BD'],
  ] as const) {
    it(`for ${JSON.stringify(value)} is ${path}`, () => {
      assert.equal(safeReturnTo(value), path)
    })
  }

  for (const value of [
    ...[undefined, null, 7, {}, ['/cart'], '', ' ', ' /cart', 'cart', './cart', '?a', '#a'],
    ...[
      '//evil.example',
      '///evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      '\\/evil.example',
      '/\\/evil.example',
    ],
    ...['https://evil.example', 'http:/evil.example', 'https:evil.example', 'javascript:alert(1)', 'data:text/html,x'],
    ...[
      '/\t/evil.example',
      '/\n/evil.example',
      '\t//evil.example',
      '/\r\nSet-Cookie: a=b',
      '/a\0b',
      '/a\x7f',
      '/a\u0085',
    ],
    ...['/.//evil.example', '/..//evil.example', '/a/..//evil.example', '/%2e%2e//evil.example', '/./\\evil.example'],
    ...['/a/%2E./\\/evil.example', `/${'a'.repeat(2048)}`, 'http://nowhere.invalid/a', '//nowhere.invalid/a'],
  ]) {
    it(`for ${JSON.stringify(value)?.slice(0, 40)} is the fallback`, () => {
      assert.equal(safeReturnTo(value), '/')
      assert.equal(safeReturnTo(value, '/home'), '/home')
    })
  }

  it('never leads to another origin, and can stand in a header, whatever is given', () => {
    const pieces = fc.constantFrom(
      ...['/', '\\', '.', '..', '%2e', '%2f', '%5c', ':', '@', '?', '#', '\t', '\n', '\r', '\0', ' ', 'evil.example'],
      ...['http:', 'https://', 'javascript:', '[::1]', 'a', 'é', '\u2028', '\ud800', '\ufeff', '\u3002', '\uff0f'],
    )
    const value = fc.oneof(
      fc.webUrl(),
      fc.string({ unit: 'binary' }),
      fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
      fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join('')}`),
    )
    fc.assert(
      fc.property(value, (given) => {
        const path = safeReturnTo(given)
        for (const origin of ['https://app.example', 'http://localhost:3000']) {
          assert.equal(new URL(path, `${origin}/login`).origin, origin)
        }
        assert.match(path, /^\/(?![/\\])[\x21-\x7e]*$/)
        assert.equal(safeReturnTo(path, 'changed'), path)
      }),
      { numRuns: 5000 },
    )
  })
})
