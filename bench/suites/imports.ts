import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { transformSync } from 'esbuild'
import { figure, median, medianRatio, shuffled, table } from '../numbers.ts'
import type { Suite } from '../suite.ts'

const WHAT = ['nothing', 'express', 'coatcheck and coatcheck/express', 'express-session and connect-redis'] as const

/** How long it takes to import something: milliseconds of processor time of a whole process, by round. */
export interface ImportsResult {
  readonly rounds: number
  readonly cpu: Readonly<Record<(typeof WHAT)[number], readonly number[]>>
}

const root = join(import.meta.dirname, '../..')
const src = join(root, 'src')

/** As they are published: JavaScript, file by file, with the dependencies where npm puts them. */
const imports: Suite<ImportsResult> = {
  name: 'imports',
  async run(size, say) {
    const rounds = size === 'quick' ? 5 : 31
    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-bench-'))
    const cpu: Record<(typeof WHAT)[number], number[]> = {
      nothing: [],
      express: [],
      'coatcheck and coatcheck/express': [],
      'express-session and connect-redis': [],
    }
    try {
      for (const file of globSync('**/*.ts', { cwd: src })) compile(file, join(folder, 'dist'))
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      say(`imports: ${rounds} rounds`)
      for (let round = 0; round < rounds; round++)
        for (const what of shuffled(WHAT)) cpu[what].push(timeOf(what, folder))
    } finally {
      rmSync(folder, { recursive: true })
    }
    return { rounds, cpu }
  },
  report({ rounds, cpu }) {
    const [nothing, express, ours, theirs] = WHAT
    const beyond = (what: (typeof WHAT)[number]) => cpu[what].map((ms, i) => ms - (cpu[nothing][i] as number))
    const row = (what: (typeof WHAT)[number]) => [
      what,
      figure(median(beyond(what))),
      figure(medianRatio(beyond(what), beyond(express))),
    ]
    return {
      markdown: `## Import time

Processor time of a Node process that imports it and ends, less that of one that imports nothing; medians of ${rounds} rounds.

${table(['', 'ms', 'times that of express'], [row(express), row(ours), row(theirs)])}`,
      charts: {},
    }
  },
}

export default imports

const PROGRAMS: Record<(typeof WHAT)[number], string> = {
  nothing: '',
  express: "import 'express'",
  'coatcheck and coatcheck/express': "import './dist/index.js'; import './dist/express.js'",
  'express-session and connect-redis': "import 'express-session'; import 'connect-redis'",
}

function timeOf(what: (typeof WHAT)[number], folder: string): number {
  const tell = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000)'
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', `${PROGRAMS[what]}\n${tell}`],
    { cwd: folder, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`The run is void: ${stderr}`)
  return Number(stdout)
}

/** Types away, and the names of what is imported as they are then. */
function compile(file: string, dist: string): void {
  const { code } = transformSync(readFileSync(join(src, file), 'utf8'), { loader: 'ts', target: 'node22' })
  const place = join(dist, file.replace(/\.ts$/, '.js'))
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, code.replaceAll(/(["']\.[^"']*)\.ts(["'])/g, '$1.js$2'))
}
