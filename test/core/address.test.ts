import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { shownAddress } from '../../src/core/address.ts'

describe('the address that a session shows', () => {
  for (const [address, truncated, full] of [
    ['192.0.2.77', '192.0.2.0', '192.0.2.77'],
    ['255.255.255.255', '255.255.255.0', '255.255.255.255'],
    ['2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff', '2001:db8:aaaa::', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff'],
    ['2001:DB8:0:0::1', '2001:db8::', '2001:db8::1'],
    ['::ffff:192.0.2.77', '192.0.2.0', '192.0.2.77'],
    ['::ffff:c000:24d', '192.0.2.0', '192.0.2.77'],
    ['::1', '::', '::1'],
    ['fe80::1%eth0', 'fe80::', 'fe80::1'],
    ['fe80::1%enp0s3.100', 'fe80::', 'fe80::1'],
  ] as const) {
    it(`of ${address} is ${truncated}, in full ${full}`, () => {
      assert.equal(shownAddress(address, 'truncated'), truncated)
      assert.equal(shownAddress(address, 'full'), full)
      assert.equal(shownAddress(address, 'none'), null)
    })
  }

  for (const wrong of [
    ...[undefined, '', ' ', 'unknown', '_hidden', 'localhost', '192.0.2', '127.1', '0x7f000001', '2130706433'],
    ...[
      '192.0.2.256',
      '192.0.2.07',
      '192.0.2.7:4711',
      '[::1]',
      '[::1]:80',
      ' 192.0.2.7',
      '192.0.2.7\0',
      '192.0.2.7, ::1',
    ],
    ...[
      '192.0.2.0/24',
      '1:2',
      ':::',
      '::ffff:010.0.0.1',
      '%eth0',
      'fe80::1%',
      '::1%\n',
      '\ud800',
      `::${'1'.repeat(1e5)}`,
    ],
    `fe80::1%${'a'.repeat(1e5)}`,
  ]) {
    it(`is none for ${JSON.stringify(wrong?.slice(0, 30))}`, () => {
      for (const mode of ['truncated', 'none', 'full'] as const) assert.equal(shownAddress(wrong, mode), null)
    })
  }

  it('of a network is the same for every IPv4 address in it', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const network = address.replace(/\d+$/, '0')
        assert.equal(shownAddress(address, 'truncated'), network)
        assert.equal(shownAddress(`::ffff:${address}`, 'truncated'), network)
        assert.equal(shownAddress(address, 'full'), address)
      }),
    )
  })

  it('keeps 48 bits of every other IPv6 address', () => {
    const part = fc.integer({ min: 1, max: 0xffff }).map((n) => n.toString(16))
    fc.assert(
      fc.property(fc.array(part, { minLength: 8, maxLength: 8 }), (parts) => {
        assert.equal(shownAddress(parts.join(':'), 'truncated'), `${parts.slice(0, 3).join(':')}::`)
        assert.equal(shownAddress(parts.join(':'), 'full'), parts.join(':'))
      }),
    )
  })

  it('is an address in one spelling, whatever is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV6(), fc.ipV4Extended(), fc.string({ unit: 'binary' })), (address) => {
        for (const mode of ['truncated', 'full'] as const) {
          const shown = shownAddress(address, mode)
          assert.equal(shown === null, isIP(address) === 0)
          if (shown === null) continue
          assert.notEqual(isIP(shown), 0)
          assert.equal(shownAddress(shown, mode), shown)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
