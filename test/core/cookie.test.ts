import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type CookieOptions, SessionCookie } from '../../src/core/cookie.ts'
import { newToken } from '../../src/core/token.ts'

const token = newToken()
const other = newToken()

describe('the cookie that a response sets', () => {
  const issued: [string, CookieOptions, string][] = [
    ['by default', {}, '__Host-sid=TOKEN; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['on local http', { secure: false }, 'sid=TOKEN; Path=/; HttpOnly; SameSite=Lax'],
    [
      'for a domain',
      { domain: 'example.org' },
      '__Secure-sid=TOKEN; Domain=example.org; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    ['for a path', { path: '/app' }, '__Secure-sid=TOKEN; Path=/app; HttpOnly; Secure; SameSite=Lax'],
    ['with a name', { name: 'ticket' }, 'ticket=TOKEN; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['strictly', { sameSite: 'strict' }, '__Host-sid=TOKEN; Path=/; HttpOnly; Secure; SameSite=Strict'],
    [
      'embedded',
      { sameSite: 'none', partitioned: true },
      '__Host-sid=TOKEN; Path=/; HttpOnly; Secure; Partitioned; SameSite=None',
    ],
    ['to be kept', { maxAge: '2h' }, '__Host-sid=TOKEN; Max-Age=7200; Path=/; HttpOnly; Secure; SameSite=Lax'],
  ]
  for (const [how, options, expected] of issued) {
    it(`is, ${how}, ${expected}`, () => {
      const cookie = new SessionCookie(options)
      assert.equal(cookie.issue(token, null), expected.replace('TOKEN', token))
      assert.equal(cookie.read(cookie.issue(token, null).split(';')[0]), token)
      assert.equal(cookie.name, expected.split('=')[0])
      assert.equal(cookie.secure, options.secure ?? true)
    })
  }

  it('is taken away with the same attributes', () => {
    assert.equal(
      new SessionCookie({ domain: 'example.org', sameSite: 'none', maxAge: '1h' }).clear(),
      '__Secure-sid=; Max-Age=0; Domain=example.org; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=None',
    )
  })

  it('is never kept longer than the session lasts', () => {
    const cookie = new SessionCookie({ maxAge: '1h' })
    const maxAge = (remaining: number | null) => /Max-Age=(\d+)/.exec(cookie.issue(token, remaining))?.[1]
    assert.equal(maxAge(null), '3600')
    assert.equal(maxAge(10 * 3_600_000), '3600')
    assert.equal(maxAge(90_000), '90')
    assert.equal(maxAge(1), '1')
    assert.ok(!new SessionCookie().issue(token, 90_000).includes('Max-Age'))
  })
})

describe('cookie options', () => {
  for (const [options, said] of [
    [{ sameSite: 'none', secure: false }, /sameSite.*secure/],
    [{ partitioned: true, secure: false }, /partitioned.*secure/],
    [{ name: '__Host-x', secure: false }, /__Host-x.*secure/],
    [{ name: '__Host-x', domain: 'example.org' }, /__Host-x/],
    [{ name: '__Host-x', path: '/app' }, /__Host-x/],
    [{ name: '__host-x', path: '/app' }, /__host-x/],
    [{ name: '__Secure-x', secure: false }, /__Secure-x.*secure/],
    [{ sameSite: 'Lax' }, /sameSite/],
    [{ sameSite: true }, /sameSite/],
    [{ name: '' }, /name/],
    [{ name: 'a b' }, /name/],
    [{ name: 'a=b' }, /name/],
    [{ name: 'a;b' }, /name/],
    [{ name: 7 }, /name/],
    [{ domain: 'a;b' }, /domain/],
    [{ domain: '' }, /domain/],
    [{ path: 'app' }, /path/],
    [{ path: '' }, /path/],
    [{ path: '/;x' }, /path/],
    [{ path: null }, /path/],
    [{ secure: 'yes' }, /secure/],
    [{ partitioned: 1 }, /partitioned/],
    [{ maxAge: 0 }, /maxAge/],
    [{ maxAge: 'soon' }, /maxAge/],
    [{ maxAge: 999 }, /maxAge/],
    [null, /cookie/],
    ['sid', /cookie/],
  ] as const) {
    it(`that are wrong fail at the start: ${JSON.stringify(options)}`, () => {
      assert.throws(() => new SessionCookie(options as never), {
        name: 'ConfigError',
        code: 'ERR_CONFIG',
        message: said,
      })
    })
  }
})

describe('the token in a Cookie header', () => {
  const cookie = new SessionCookie()
  const read = (header?: string) => cookie.read(header?.replaceAll('TOKEN', token).replaceAll('OTHER', other))

  it('is found among other cookies', () => {
    for (const header of [
      '__Host-sid=TOKEN',
      'a=b; __Host-sid=TOKEN; c=d',
      'a=b;__Host-sid=TOKEN;c=d',
      '__Host-sid=TOKEN; __Host-sid=TOKEN',
      'x__Host-sid=OTHER; __Host-sid=TOKEN',
      '__Host-sid=TOKEN; x__Host-sid=OTHER',
      '__Host-sid2=OTHER; __Host-sid=TOKEN',
      '=; ;; bare; __Host-sid=TOKEN',
    ]) {
      assert.equal(read(header), token, header)
    }
  })

  it('is none where there is no such cookie, or no token in it', () => {
    for (const header of [
      undefined,
      '',
      'a=b',
      '__Host-sid',
      '__Host-sid=',
      '__Host-sid=x',
      'sid=TOKEN',
      '__host-sid=TOKEN',
      'x__Host-sid=TOKEN',
      '__Host-sid=TOKENx',
      '__Host-sid="TOKEN"',
      '__Host-sid=TOKEN.signature',
      `__Host-sid=%${token.charCodeAt(0).toString(16)}${token.slice(1)}`,
      `__Host-sid=${token.slice(0, -1)}=`,
      `__Host-sid=${'A'.repeat(42)}B`,
    ]) {
      assert.equal(read(header), null, header)
    }
  })

  it('is none when the name comes twice with different values: one of them was planted', () => {
    for (const header of [
      '__Host-sid=TOKEN; __Host-sid=OTHER',
      '__Host-sid=OTHER; __Host-sid=TOKEN',
      '__Host-sid=TOKEN; __Host-sid=TOKEN; a=b; __Host-sid=OTHER',
      '__Host-sid=TOKEN; __Host-sid=',
      '__Host-sid=x; __Host-sid=TOKEN',
      Array.from({ length: 10 }, (_, i) => `__Host-sid=${i ? 'OTHER' : 'TOKEN'}`).join('; '),
    ]) {
      assert.equal(read(header), null, header)
    }
    assert.equal(read(Array(10).fill('__Host-sid=TOKEN').join('; ')), token)
  })

  it('is found, or not, in 16 kB', () => {
    const filler = Array.from({ length: 800 }, (_, i) => `cookie-${i}=${'x'.repeat(10)}`).join('; ')
    assert.ok(filler.length > 16_000)
    const started = process.cpuUsage()
    assert.equal(read(`${filler}; __Host-sid=TOKEN`), token)
    assert.equal(read(filler), null)
    assert.equal(read(`__Host-sid=${'A'.repeat(16_000)}`), null)
    assert.equal(read('__Host-sid=;'.repeat(1400)), null)
    assert.equal(read('='.repeat(16_000)), null)
    // In microseconds of this process's own work.
    assert.ok(process.cpuUsage(started).user < 200_000)
  })

  it('survives arbitrary bytes, and is never anything but a token that stands there', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1'))
    const parts = fc.array(fc.constantFrom('__Host-sid', '=', ';', ' ', token, other, '"', '%41', '\u0000', 'x'))
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          parts.map((some) => some.join('')),
        ),
        (header) => {
          const found = cookie.read(header)
          assert.ok(found === null || (/^[\w-]{43}$/.test(found) && header.includes(found)))
        },
      ),
      { numRuns: 3000 },
    )
  })
})
