import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { clipLabel, deviceLabel } from '../../src/core/device.ts'

const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0'
const SAFARI = 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'

function assertFits(label: string): void {
  assert.ok(Buffer.byteLength(label) <= 64, label)
  assert.ok(label.isWellFormed())
  assert.equal(label, label.trim())
  assert.doesNotMatch(label, /\p{Cc}/u)
}

describe('the label of a device', () => {
  for (const [userAgent, label] of [
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${CHROME} Safari/537.36`, 'Chrome on macOS'],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36 Edg/140.0.0.0`, 'Microsoft Edge on Windows'],
    [`Mozilla/5.0 (Linux; Android 10; K) ${CHROME} Mobile Safari/537.36`, 'Chrome on Android'],
    [
      'Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36',
      'Samsung Internet for Android',
    ],
    [`Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) ${SAFARI}`, 'Safari on iOS'],
    ['Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'Googlebot'],
    ['okhttp/4.9 something', 'okhttp'],
  ] as const) {
    it(`is ${label}`, () => {
      assert.equal(deviceLabel(userAgent), label)
    })
  }

  for (const nothing of [undefined, '', ' ', 'x', 'curl/8.5.0', 'Mozilla/5.0', '\0', '\ud800']) {
    it(`is none for ${JSON.stringify(nothing)}`, () => {
      assert.equal(deviceLabel(nothing), null)
    })
  }

  it('fits, whatever the header says', () => {
    const pieces = fc.constantFrom(
      ...[
        'Mozilla/5.0',
        '(',
        ')',
        '; ',
        ' ',
        '/',
        'Chrome',
        'Android',
        'Windows NT',
        'Version/',
        'bot',
        'Opera',
        'like Gecko',
      ],
      ...['\0', '\n', '\ud800', '\udc00', '😀', 'é', '<b>', '__proto__', 'constructor', '9'.repeat(40)],
    )
    const header = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(header, (userAgent) => {
        const label = deviceLabel(userAgent)
        if (label === null) return
        assert.notEqual(label, '')
        assertFits(label)
      }),
      { numRuns: 500 },
    )
  })

  it('looks only at the beginning of a header, so a long one is no work', () => {
    const head = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${CHROME} Safari/537.36 `.padEnd(512)
    for (const tail of ['x', 'a/', '(', ' ', '\0', '1.', 'Firefox/1 ', 'Windows NT 10.0; ']) {
      assert.equal(deviceLabel(head + tail.repeat(1e5 / tail.length)), 'Chrome on macOS')
    }
  })

  // What the parser's own patterns could backtrack in: a second would be far too long for any of them.
  for (const piece of [
    'a/',
    'a',
    '(',
    ' ',
    '1.',
    '1_',
    'Mozilla/5.0 (',
    'version/',
    'Android ',
    'CPU OS 1',
    'MSIE 1;',
    '/ ',
  ]) {
    it(`is found in bounded time in many ${JSON.stringify(piece)}`, () => {
      const began = process.cpuUsage()
      for (const end of ['', '!', ' x', '\n']) assertFits(deviceLabel(piece.repeat(1e5) + end) ?? '')
      assert.ok(process.cpuUsage(began).user < 1e6)
    })
  }
})

describe('a label of the application', () => {
  for (const [label, clipped] of [
    ['laptop', 'laptop'],
    ['  Ada’s   phone\n', 'Ada’s phone'],
    ['a\0b\u0085c\u2028d', 'a b c d'],
    ['\ud800x', '\ufffdx'],
    ['', ''],
    [' \t\r\n', ''],
    ['a'.repeat(65), 'a'.repeat(64)],
    ['é'.repeat(33), 'é'.repeat(32)],
    ['😀'.repeat(17), '😀'.repeat(16)],
    [`${'a'.repeat(62)}😀`, 'a'.repeat(62)],
    [`${'a'.repeat(63)} b`, 'a'.repeat(63)],
    ['a'.repeat(1e6), 'a'.repeat(64)],
  ] as const) {
    it(`fits: ${JSON.stringify(label.slice(0, 20))}`, () => {
      assert.equal(clipLabel(label), clipped)
    })
  }

  it('fits whatever it is, is cut only where it must be, and once', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: 'grapheme', maxLength: 200 }),
    )
    fc.assert(
      fc.property(text, (label) => {
        const clipped = clipLabel(label)
        assertFits(clipped)
        assert.equal(clipLabel(clipped), clipped)
        const whole = label
          .toWellFormed()
          .replaceAll(/[\s\p{Cc}]+/gu, ' ')
          .trim()
        assert.ok(whole.startsWith(clipped))
        const [next = ''] = whole.slice(clipped.length).trimStart()
        assert.ok(next === '' || Buffer.byteLength(`${clipped} ${next}`) > 64)
      }),
    )
  })
})
