import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type RequestOrigin, sameOrigin } from '../../src/core/same-origin.ts'

const OWN = 'https://app.example'

function ask(request: Partial<RequestOrigin>, origins: readonly string[] = []): string {
  const decision = sameOrigin({ origins })({
    method: 'POST',
    secFetchSite: undefined,
    origin: undefined,
    own: OWN,
    ...request,
  })
  return decision === 'allow' ? 'allow' : `${decision.status} ${decision.code}`
}

const REFUSED = '403 ERR_CROSS_SITE'

describe('sameOrigin', () => {
  it('lets every request pass that changes nothing, and no other method', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.equal(ask({ method, secFetchSite: 'cross-site' }), 'allow')
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'QUERY', 'TRACE', 'get', '', undefined]) {
      assert.equal(ask({ method, secFetchSite: 'cross-site' }), REFUSED, method)
    }
  })

  for (const [secFetchSite, expected] of [
    ['same-origin', 'allow'],
    ['none', 'allow'],
    ['same-site', REFUSED],
    ['cross-site', REFUSED],
    ['', REFUSED],
    ['Same-Origin', REFUSED],
    ['same-origin, same-origin', REFUSED],
    ['of a later standard', REFUSED],
  ] as const) {
    it(`says ${expected} to Sec-Fetch-Site: ${secFetchSite}, whatever the Origin`, () => {
      for (const origin of [undefined, OWN, 'null', 'https://evil.example']) {
        assert.equal(ask({ secFetchSite, origin }), expected)
      }
    })
  }

  for (const [origin, own, expected] of [
    [OWN, OWN, 'allow'],
    ['https://app.example', 'https://APP.example:443', 'allow'],
    ['http://localhost:3000', 'http://localhost:3000', 'allow'],
    ['https://app.example:8443', OWN, REFUSED],
    ['http://app.example', OWN, REFUSED],
    ['https://evil.example', OWN, REFUSED],
    ['https://app.example.evil.example', OWN, REFUSED],
    ['https://app.example/', OWN, REFUSED],
    ['https://blog.app.example', OWN, REFUSED],
    ['null', OWN, REFUSED],
    ['', OWN, REFUSED],
    ['null', 'http://', REFUSED],
    ['null', 'undefined://undefined', REFUSED],
    ['http://', 'http://', REFUSED],
  ] as const) {
    it(`says ${expected} to Origin: ${origin} at ${own}, without Sec-Fetch-Site`, () => {
      assert.equal(ask({ origin, own }), expected)
    })
  }

  it('lets pass what sends neither header: no browser does', () => {
    assert.equal(ask({}), 'allow')
  })

  it('lets other origins pass that are listed, with either header', () => {
    const origins = ['https://shop.example', 'http://localhost:5173']
    for (const origin of origins) {
      for (const secFetchSite of [undefined, 'same-site', 'cross-site']) {
        assert.equal(ask({ origin, secFetchSite }, origins), 'allow')
      }
    }
    for (const origin of ['https://shop.example:444', 'http://shop.example', 'null', undefined]) {
      assert.equal(ask({ origin, secFetchSite: 'cross-site' }, origins), REFUSED)
    }
    assert.equal(ask({ origin: OWN }, origins), 'allow', 'its own is still welcome')
  })

  it('cannot be made with a list of anything but origins', () => {
    for (const wrong of [
      ...['', '*', 'null', 'app.example', 'https://app.example/', 'https://app.example/path', 'https://*.example/'],
      ...[
        'HTTPS://app.example',
        'https://app.example:443',
        'https://user@app.example',
        'chrome-extension://abc',
        7,
        null,
      ],
    ]) {
      assert.throws(() => sameOrigin({ origins: [wrong as string] }), { code: 'ERR_CONFIG', message: /is no origin/ })
    }
    for (const wrong of ['https://app.example', null, {}]) {
      assert.throws(() => sameOrigin({ origins: wrong as never }), { code: 'ERR_CONFIG', message: /must be an array/ })
    }
  })
})
