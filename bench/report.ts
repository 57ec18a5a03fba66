import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.ts'
import { table } from './numbers.ts'
import type { Requirement, SuiteReport } from './suite.ts'
import { kept, suiteNamed, suiteNames } from './suites.ts'

const docs = join(import.meta.dirname, '../docs')

/** Writes docs/benchmarks.md and its charts, of what the last full runs have found. */
export async function writeReport(): Promise<void> {
  const parts: { report: SuiteReport; machine: Machine; name: string }[] = []
  for (const name of suiteNames()) {
    const found = kept(name)
    if (found === null) console.error(`${name} has not been measured: npm run bench -- ${name}`)
    else parts.push({ report: (await suiteNamed(name)).report(found.result), machine: found.machine, name })
  }
  const images = join(docs, 'images')
  mkdirSync(images, { recursive: true })
  for (const old of globSync('bench-*.svg', { cwd: images })) rmSync(join(images, old))
  for (const { report } of parts) {
    for (const [file, svg] of Object.entries(report.charts)) writeFileSync(join(images, file), svg)
  }
  writeFileSync(join(docs, 'benchmarks.md'), composed(parts))
}

/** The whole page. */
export function composed(parts: readonly { report: SuiteReport; machine: Machine; name: string }[]): string {
  const requirements = parts.flatMap(({ report }) => report.requirements ?? [])
  const missed = requirements.filter(({ met }) => !met).length
  const sections = [
    '# Benchmarks',
    '`npm run bench` writes this page, from one run of everything on one machine. Ratios carry over to other machines better than\nthe numbers themselves. What is unfavourable to coatcheck is here too.',
    '## What must be reached',
    `${requirements.length - missed} of ${requirements.length} requirements are met.`,
    requirementsTable(requirements),
    ...parts.map(({ report }) => report.markdown.trim()),
    '## How it was measured',
    ...machines(parts),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

/** `''` when nothing is required. */
export function requirementsTable(requirements: readonly Requirement[]): string {
  if (requirements.length === 0) return ''
  const rows = requirements.map(({ what, must, reached, met }) => [what, must, reached, met ? 'yes' : '**no**'])
  return table(['', 'must be', 'is', 'met'], rows)
}

/** Nearly always one for all. */
function machines(parts: readonly { machine: Machine; name: string }[]): string[] {
  const groups = new Map<string, { machine: Machine; names: string[] }>()
  for (const { machine, name } of parts) {
    const known = groups.get(JSON.stringify(machine))
    if (known === undefined) groups.set(JSON.stringify(machine), { machine, names: [name] })
    else known.names.push(name)
  }
  return [...groups.values()].map(({ machine, names }) => {
    const { cpu, cores, memory, system, versions, measuredAt } = machine
    const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
    return `\`npm run bench -- ${names.join(' ')}\` on ${measuredAt}: ${cores} cores of ${cpu}, ${memory} of memory, ${system}.\nVersions: ${list.join(', ')}.`
  })
}
