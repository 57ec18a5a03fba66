import assert from 'node:assert/strict'
import { it } from 'node:test'
import { longUserId, manyTimes, shortUserId } from '../../bench/support/population.ts'

it('user ids of the benchmarks are as long as they say, and each is another', () => {
  const users = Array.from({ length: 20_000 }, (_, n) => n * 17)
  for (const [idOf, bytes] of [
    [shortUserId, 12],
    [longUserId, 36],
  ] as const) {
    const ids = new Set(users.map(idOf))
    assert.equal(ids.size, users.length)
    for (const id of ids) assert.equal(Buffer.byteLength(id), bytes)
  }
  assert.match(longUserId(1), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
})

it('something is done so many times, each once, and no more at once than was said', async () => {
  const done: number[] = []
  let [now, most] = [0, 0]
  const run = async (n: number) => {
    most = Math.max(most, ++now)
    await null
    done.push(n)
    now--
  }
  await manyTimes(100, run, 8)
  assert.deepEqual(
    done.toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, n) => n),
  )
  assert.equal(most, 8)
})
