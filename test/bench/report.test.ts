import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirementsOf } from '../../bench/http/report.ts'
import { OPERATIONS, type Operation, VARIANTS } from '../../bench/http/variants.ts'
import { composed } from '../../bench/report.ts'
import http, { type HttpResult } from '../../bench/suites/http.ts'

const machine = {
  cpu: 'a processor',
  cores: 2,
  memory: '8 GiB',
  system: 'linux',
  versions: { 'Node.js': '24.0.0', 'Redis server': '7.0.15' },
  measuredAt: '2026-01-01',
}

/** Every application as quick and as dear as told: requests a second and microseconds of Node, in three rounds. */
function found(speed: (variant: string) => { perSecond: number; nodeCpu: number }): HttpResult {
  const samples: Record<string, Partial<Record<Operation, HttpResult['samples'][string]['read'] & object>>> = {}
  const commands: Record<string, Partial<Record<Operation, number>>> = {}
  for (const { name, operations } of VARIANTS) {
    const sample = { requests: 1000, redisCpu: 4, ...speed(name) }
    samples[name] = Object.fromEntries(operations.map((operation) => [operation, [sample, sample, sample]]))
    commands[name] = { visitor: 0, read: 1, write: 2 }
  }
  return { rounds: 3, starts: 1, sessions: 10_000, seconds: 3, turn: 50, pinned: true, samples, commands }
}

test('what must be reached is computed from what was measured, and a miss is said', () => {
  const allAlike = requirementsOf(found(() => ({ perSecond: 1000, nodeCpu: 50 })))
  const ofRead = allAlike.find(({ what }) => what.startsWith('Read, Express, against express-session'))
  assert.deepEqual([ofRead?.reached, ofRead?.met], ['1.00 times', false])

  const twice = requirementsOf(
    found((name) =>
      name.includes('-coatcheck') ? { perSecond: 2000, nodeCpu: 50 } : { perSecond: 1000, nodeCpu: 50 },
    ),
  )
  assert.deepEqual(
    twice.filter(({ met }) => !met),
    [],
  )

  const dear = requirementsOf(found((name) => ({ perSecond: 2000, nodeCpu: name.endsWith('-coatcheck') ? 60 : 50 })))
  const missed = dear.filter(({ must, met }) => must.includes('CPU') && !met)
  assert.deepEqual(
    missed.map(({ reached }) => reached),
    Array(5).fill('1.20 times'),
  )
})

test('what differs from one start to the next is told', () => {
  const result = found(() => ({ perSecond: 1000, nodeCpu: 50 }))
  const sample = { requests: 1000, redisCpu: 4, nodeCpu: 50 }
  const read = [1300, 1600, 1500].map((perSecond) => ({ ...sample, perSecond }))
  const [ofRead] = requirementsOf({
    ...result,
    starts: 3,
    samples: { ...result.samples, 'express-coatcheck': { ...result.samples['express-coatcheck'], read } },
  })
  assert.equal(ofRead?.reached, '1.50 times (1.30 to 1.60)')
})

test('one command too many is a miss', () => {
  const result = found(() => ({ perSecond: 2000, nodeCpu: 50 }))
  const requirements = requirementsOf({
    ...result,
    commands: { ...result.commands, 'hono-coatcheck': { visitor: 0, read: 2, write: 2 } },
  })
  const reads = requirements.find(({ what }) => what === 'Commands: read')
  assert.deepEqual([reads?.reached, reads?.met], ['1, 2', false])
})

test('the page has a table of requirements, each part, its charts, and the machine', () => {
  const report = http.report(found(() => ({ perSecond: 1000, nodeCpu: 50 })))
  const page = composed([{ name: 'http', machine, report }])
  for (const operation of OPERATIONS) {
    assert.ok(page.includes(`images/bench-http-${operation}.svg`))
    assert.ok(report.charts[`bench-http-${operation}.svg`]?.startsWith('<svg'))
  }
  assert.match(
    page,
    /\| Read, Express, against express-session \+ connect-redis \| at least 1.8 times .* \| \*\*no\*\* \|/,
  )
  assert.match(page, /2 cores of a processor, 8 GiB/)
  assert.match(page, /Node\.js 24\.0\.0, Redis server 7\.0\.15/)
})
