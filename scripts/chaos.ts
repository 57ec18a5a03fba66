/**
 * Runs the chaos programs in their long form, one after the other, and writes what they did and found to chaos-report.md; exits 1
 * when a promise was broken. `npm run chaos -- soak resharding` runs those whose names begin so, `--minutes 2` has the soak last
 * two minutes instead of ten, and all else less in proportion. Everything is on loopback, and ends with this process.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { SCENARIOS, type Scenario } from '../test/chaos/scenarios.ts'
import type { Result } from '../test/chaos/under-load.ts'
import { findRedisServer } from './programs.mjs'

const REPORT = join(import.meta.dirname, '..', 'chaos-report.md')
/** What a scenario may take beside the time that it is given. */
const PATIENCE = 5 * 60_000

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '10' } },
  allowPositionals: true,
})
const minutes = Number(values.minutes)
if (!(minutes > 0 && minutes <= 120)) throw new Error('--minutes must be a number above 0, and at most 120.')
const chosen = SCENARIOS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((one) => name.startsWith(one)),
)
if (chosen.length === 0) throw new Error(`There are: ${SCENARIOS.map(({ name }) => name).join(', ')}`)

type Row = Result & { readonly name: string; readonly took: number }

/** Runs a scenario, and ends all that it has started. */
async function run({ name, run }: Scenario): Promise<Row> {
  const ends: (() => unknown)[] = []
  const began = performance.now()
  const row = (result: Result) => ({ ...result, name, took: performance.now() - began })
  const waiting = new AbortController()
  const late = async () => {
    await pause(minutes * 60_000 + PATIENCE, undefined, { signal: waiting.signal })
    throw new Error('It does not come to an end.')
  }
  try {
    return row(await Promise.race([run({ after: (end) => void ends.push(end) }, minutes), late()]))
  } catch (error) {
    return row({ done: 'did not come to its end', measured: {}, violations: [String(error)] })
  } finally {
    waiting.abort()
    for (const end of ends.reverse()) await end()
  }
}

function report(rows: readonly Row[]): string {
  const server = String(execFileSync(findRedisServer() ?? 'redis-server', ['--version'])).trim()
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
  const lines = rows.map(({ name, done, measured, violations, took }) => {
    const numbers = Object.entries(measured).map(([what, value]) => `${what}: ${value}`)
    return [name, done, numbers.join('; '), `${violations.length}`, `${Math.round(took / 1000)} s`]
      .map(cell)
      .join(' | ')
  })
  const broken = rows.filter(({ violations }) => violations.length > 0)
  return [
    '# Chaos',
    '',
    `\`npm run chaos -- ${process.argv.slice(2).join(' ')}\`, ${new Date().toISOString()}`,
    '',
    `Node.js ${process.version}; ${server}`,
    '',
    '| scenario | what was done, and how often | measured | violations | took |',
    '|---|---|---|---|---|',
    ...lines.map((line) => `| ${line} |`),
    '',
    ...broken.flatMap(({ name, violations }) => [`## ${name}`, '', ...violations.map((one) => `- ${one}`), '']),
  ].join('\n')
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Servers and applications end with the process that they belong to.
  process.once(signal, () => process.exit(130))
}
const rows: Row[] = []
for (const scenario of chosen) {
  console.log(`${scenario.name} …`)
  const row = await run(scenario)
  rows.push(row)
  console.log(`  ${row.done}: ${row.violations.length === 0 ? 'no violation' : row.violations.join('\n  ')}`)
  writeFileSync(REPORT, report(rows))
}
const violations = rows.reduce((sum, row) => sum + row.violations.length, 0)
console.log(`${rows.length} scenarios, ${violations} violations: chaos-report.md`)
process.exit(violations === 0 ? 0 : 1)
