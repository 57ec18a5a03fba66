import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barChart, lineChart } from '../../bench/chart.ts'

const bars = () =>
  barChart({
    title: 'Read',
    unit: 'microseconds',
    labels: ['Express, coatcheck', 'express-session'],
    series: [
      { name: 'Node', values: [55.5, 120] },
      { name: 'Redis', values: [4, null] },
    ],
  })

const lines = () =>
  lineChart({
    title: 'Growth',
    unit: 'µs',
    along: 'sessions',
    logarithmic: true,
    series: [
      {
        name: 'load',
        points: [
          [10_000, 50],
          [1_000_000, 52],
        ],
      },
    ],
  })

test('a chart is an SVG that names what it shows', () => {
  for (const text of [
    'Read',
    'microseconds',
    'Express, coatcheck',
    'express-session',
    'Node',
    'Redis',
    '55.5',
    '120',
  ]) {
    assert.ok(bars().includes(`>${text}<`), text)
  }
  for (const text of ['Growth', 'sessions', 'µs']) assert.ok(lines().includes(`>${text}<`), text)
})

test('the same numbers make the same drawing, so that a report changes only with what it says', () => {
  const [first, second] = [bars() + lines(), bars() + lines()]
  assert.ok(first.startsWith('<svg'))
  assert.equal(first, second)
})
