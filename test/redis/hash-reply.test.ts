import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readHash } from '../../src/redis/clients/hash-reply.ts'

type Hash = readonly (readonly [name: string, value: string])[]

/** A hash as a client receives it: views of one piece of memory, with the protocol's own bytes between them. */
function received(hash: Hash, before = 'Q\r\n'): Buffer[] {
  const chunks: Buffer[] = [Buffer.from(before)]
  const views: [start: number, length: number][] = []
  let at = chunks[0]?.length ?? 0
  for (const text of hash.flat()) {
    const bytes = Buffer.from(text)
    const framed = Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
    views.push([at + framed.length - bytes.length - 2, bytes.length])
    chunks.push(framed)
    at += framed.length
  }
  const whole = Buffer.concat(chunks)
  return views.map(([start, length]) => whole.subarray(start, start + length))
}

const SESSION: Hash = [
  ['created_at', '1795260572355'],
  ['session_ttl', '1800'],
  ['cart', '["umbrella"]'],
  ['empty', ''],
]

describe('a hash that comes as bytes', () => {
  it('is what it was, in its order', () => {
    assert.deepEqual([...readHash(received(SESSION))], SESSION)
    assert.deepEqual([...readHash([])], [])
    const other: Hash = [...SESSION].reverse()
    assert.deepEqual([...readHash(received(other))], other)
    assert.deepEqual([...readHash(received(SESSION))], SESSION)
  })

  it('is told from one whose names have the same length, or begin with the same letters', () => {
    for (const name of ['created_by', 'created', 'created_at_last']) {
      const hash: Hash = [[name, '1'], ...SESSION.slice(1)]
      assert.deepEqual([...readHash(received(hash))], hash)
    }
  })

  it('may hold any text', () => {
    for (const text of ['Zoë', '雨傘', '☂️', 'a\r\n$1\r\nb', '__proto__', 'constructor', '7']) {
      const hash: Hash = [...SESSION, [text, 'x'], ['name', text], ['last', 'one']]
      assert.deepEqual([...readHash(received(hash))], hash)
    }
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 40 }))
    const anyHash = fc.array(fc.tuple(text, text), { maxLength: 100 })
    fc.assert(
      fc.property(anyHash, (pairs) => {
        const hash = [...new Map(pairs)]
        assert.deepEqual([...readHash(received(hash))], hash)
      }),
    )
  })

  it('may hold what is no UTF-8, which reads as it would alone', () => {
    const parts = [Buffer.from('name'), Buffer.from([0xc3]), Buffer.from('next'), Buffer.from([0xa9, 0x41])]
    const whole = Buffer.concat(parts)
    const views = [whole.subarray(0, 4), whole.subarray(4, 5), whole.subarray(5, 9), whole.subarray(9)]
    const expected = parts.map((bytes) => bytes.toString())
    assert.deepEqual([...readHash(views)].flat(), expected)
  })

  it('may have come in several pieces', () => {
    for (let piece = 0; piece < SESSION.length * 2; piece++) {
      const reply = received(SESSION)
      reply[piece] = Buffer.concat([reply[piece] as Buffer])
      assert.deepEqual([...readHash(reply)], SESSION)
    }
    const [first, second] = [received(SESSION.slice(0, 2)), received(SESSION.slice(2), 'more')]
    assert.deepEqual([...readHash([...first, ...second])], SESSION)
  })

  it('may be long', () => {
    const hash: Hash = Array.from({ length: 1000 }, (_, i) => [`field ${i}`, 'x'.repeat(i)])
    assert.deepEqual([...readHash(received(hash))], hash)
  })
})
