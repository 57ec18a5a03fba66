import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RequestFacts, type RequestReader } from '../../src/adapters/request-facts.ts'

// A request as its adapter sees it. What the adapters make of it is tested by their contract.

const request = { headers: { cookie: 'sid=secret' } }
const reader: RequestReader<typeof request> = {
  userAgent: () => undefined,
  address: () => undefined,
  secure: () => false,
}

it('an error that no handler sees is logged alone: the request holds the token', (t) => {
  const { mock } = t.mock.method(console, 'error', () => undefined)
  const error = new Error('failed')
  new RequestFacts(request, reader).onError(error)
  assert.deepEqual(
    mock.calls.map((call) => call.arguments),
    [[error]],
  )
})

it('only `true` serves a request as a visitor’s, and what throws counts as activity', () => {
  const answering = (answer: unknown) =>
    new RequestFacts(request, { ...reader, serveAsVisitor: () => answer as boolean }).serveAsVisitor()
  assert.deepEqual([true, 'yes', undefined].map(answering), [true, false, false])
  assert.equal(new RequestFacts(request, reader).serveAsVisitor(), false)
  const touch = (): boolean => {
    throw new Error('failed')
  }
  const failing = new RequestFacts(request, { ...reader, touch })
  assert.equal(failing.isActive(), true)
  assert.throws(() => failing.touch(), /failed/)
})
