import assert from 'node:assert/strict'
import { test } from 'node:test'
import { override } from '../../src/adapters/override.ts'

test('overriding an object leaves nothing behind: what it inherits, holds or computes is as it was', () => {
  class Response {
    inherited() {
      return 'inherited'
    }
  }
  const wrapper = () => 'put here by a middleware'
  const response = Object.defineProperties(new Response() as Response & Record<string, unknown>, {
    own: { value: wrapper, writable: true, enumerable: true, configurable: true },
    computed: { get: () => 'computed', configurable: true },
    hidden: { value: 1, writable: false, enumerable: false, configurable: true },
  })
  const before = Object.getOwnPropertyDescriptors(response)

  const names = ['inherited', 'own', 'computed', 'hidden', 'missing']
  const restore = override(response, Object.fromEntries(names.map((name) => [name, { get: () => `no ${name}` }])))
  assert.deepEqual(
    names.map((name) => response[name]),
    names.map((name) => `no ${name}`),
  )
  restore()
  assert.deepEqual(Object.getOwnPropertyDescriptors(response), before)
  assert.equal(response.inherited(), 'inherited')
  assert.equal('missing' in response, false)
})
