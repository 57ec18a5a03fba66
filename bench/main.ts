/**
 * `npm run bench` measures, and keeps what it found in bench/results/. `-- http store` names suites, `-- --quick` is a short form
 * that keeps nothing, `-- --report` writes docs/benchmarks.md of what was kept.
 */
import { parseArgs } from 'node:util'
import { describeMachine } from './machine.ts'
import { requirementsTable, writeReport } from './report.ts'
import { keep, suiteNamed, suiteNames } from './suites.ts'

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean' }, report: { type: 'boolean' } },
  allowPositionals: true,
})

// What runs in other processes ends with this one: those that are stopped (`SIGSTOP`) could not by themselves.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

if (values.report) await writeReport()
else for (const name of positionals.length > 0 ? positionals : suiteNames()) await measure(name)

async function measure(name: string): Promise<void> {
  const suite = await suiteNamed(name)
  const started = performance.now()
  const result = await suite.run(values.quick ? 'quick' : 'full', say)
  say(`${name}: measured in ${Math.round((performance.now() - started) / 1000)} s`)
  const { markdown, requirements = [] } = suite.report(result)
  const withoutCharts = markdown.replaceAll(/^!\[.*\n*/gm, '')
  console.log(`\n${withoutCharts}\n\n${requirementsTable(requirements)}\n`)
  if (!values.quick) keep(name, { machine: describeMachine(), result })
}

/** On standard error: what was found goes to standard output. */
function say(line: string): void {
  console.error(line)
}
