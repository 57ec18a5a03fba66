import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figure, median, medianRatio, shuffled, spread, table } from '../../bench/numbers.ts'
import { perSecondIn } from '../../bench/store/limit.ts'

test('the median is the middle number, or the mean of the two in the middle', () => {
  assert.equal(median([3, 100, 1]), 3)
  assert.equal(median([4, 1, 3, 100]), 3.5)
  assert.throws(() => median([]))
})

test('a ratio is the median of the ratios of each round, not the ratio of medians', () => {
  // The second round went twice as slowly for both.
  assert.equal(medianRatio([200, 100, 210], [100, 50, 100]), 2)
  assert.throws(() => medianRatio([1, 2], [1]), /both sides/)
})

test('the spread is of the medians of each part', () => {
  assert.deepEqual(spread([1, 9, 1, 4, 4, 4], [1, 1, 1, 2, 2, 2], 2), [1, 2])
  assert.throws(() => spread([1, 2, 3], [1, 1, 1], 2), /equal/)
})

test('shuffling keeps everything, in an order that chance decides', () => {
  const numbers = Array.from({ length: 20 }, (_, i) => i)
  assert.deepEqual(
    shuffled(numbers).toSorted((a, b) => a - b),
    numbers,
  )
  assert.deepEqual(
    shuffled(['a', 'b', 'c'], () => 0.99),
    ['c', 'b', 'a'],
  )
})

test('figures have three digits', () => {
  assert.deepEqual([0.1234, 9.876, 45.67, 123.4, 12_345].map(figure), ['0.12', '9.88', '45.7', '123', '12,300'])
})

test('a table has its numbers on the right', () => {
  assert.equal(table(['', 'ms'], [['load', '1']]), '|  | ms |\n| --- | --: |\n| load | 1 |')
})

test('the rate that redis-benchmark tells is read, whatever stands in the command', () => {
  const head =
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
  const line = '"EVALSHA x 1 session:{ab}:c "1700000000000" 2","54644.81","0.5","0.1","0.5","0.9","1.1","2.0"'
  assert.equal(perSecondIn(`${head}\n${line}\n`), 54_644.81)
  assert.throws(() => perSecondIn('Could not connect'))
})
