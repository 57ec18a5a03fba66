/**
 * Shows that every guard is held by a test: deletes each line marked `-- guard: name` in lua/ and `// guard: name` in src/, one
 * at a time, in a copy of the repository, and runs tests until one fails. Writes the table to docs/mutants.md, and exits 1 when
 * a guard can go unnoticed. Takes a while; `npm run mutants -- name …` tries only the guards whose place or name says that.
 */
import { spawn } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const COPIED = [
  'src',
  'lua',
  'test',
  'scripts',
  'demo',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
]
const TEST_TIMEOUT = 120_000

interface Guard {
  readonly file: string
  readonly line: number
  readonly name: string
}

interface Verdict extends Guard {
  /** The test file and the test that failed, or `null` if none did. */
  readonly caughtBy: { file: string; test: string } | null
}

function findGuards(): Guard[] {
  return globSync(['lua/*.lua', 'src/**/*.ts'], { cwd: root, exclude: ['src/redis/scripts.ts'] })
    .sort()
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .flatMap((text, i) => {
          const name = /(?:--|\/\/) guard: (.+)$/.exec(text)?.[1]
          return name === undefined ? [] : [{ file, line: i + 1, name }]
        }),
    )
}

/** The tests that are nearest to a file come first: most guards fall at once. */
function testsFor(file: string): string[] {
  const nearest = file.startsWith('lua/')
    ? ['test/redis/', 'test/model/']
    : file.startsWith('src/adapters/') || file.startsWith('src/express')
      ? ['test/express/']
      : [file.replace(/^src\/(\w+)\/.*/, 'test/$1/'), 'test/model/']
  const rank = (test: string) => {
    const place = nearest.findIndex((folder) => test.startsWith(folder))
    return place < 0 ? nearest.length : place
  }
  return globSync('test/{core,redis,memory,model,express}/**/*.test.ts', { cwd: root }).sort(
    (a, b) => rank(a) - rank(b) || a.localeCompare(b),
  )
}

async function tryGuard(guard: Guard): Promise<Verdict> {
  const copy = mkdtempSync(join(tmpdir(), 'coatcheck-mutant-'))
  try {
    for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const path = join(copy, guard.file)
    const lines = readFileSync(path, 'utf8').split('\n')
    lines.splice(guard.line - 1, 1)
    writeFileSync(path, lines.join('\n'))
    if (guard.file.startsWith('lua/')) await run(copy, ['scripts/generate-scripts.ts'])
    for (const file of testsFor(guard.file)) {
      const { status, output } = await run(copy, [
        '--test',
        '--test-reporter=tap',
        `--test-timeout=${TEST_TIMEOUT}`,
        file,
      ])
      if (status !== 0) return { ...guard, caughtBy: { file, test: failedTest(output) } }
    }
    return { ...guard, caughtBy: null }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** The innermost test that failed. TAP lists it before the suites around it. */
function failedTest(output: string): string {
  return /^\s*not ok \d+ - (.*)$/m.exec(output)?.[1]?.replaceAll('|', '\\|') ?? 'the file as a whole'
}

function run(cwd: string, args: string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.resume()
    child.on('close', (status) => resolve({ status, output }))
  })
}

function table(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ file, name, caughtBy }) => {
    const held = caughtBy === null ? '**nothing**' : `${caughtBy.test} (\`${caughtBy.file}\`)`
    return `| \`${file}\` | ${name} | ${held} |`
  })
  return [
    '# Guards, and the tests that hold them',
    '',
    'A guard is a line whose loss would break a promise. `npm run mutants` deletes each in turn and runs the tests until one',
    'fails; this table is what it wrote last. The first test that failed is named, not every one.',
    '',
    '| file | guard | held by |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const wanted = process.argv.slice(2)
const guards = findGuards().filter(
  ({ file, name }) => wanted.length === 0 || wanted.some((word) => file.includes(word) || name.includes(word)),
)
const verdicts: Verdict[] = []
const waiting = [...guards]
await Promise.all(
  Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
    for (let guard = waiting.shift(); guard !== undefined; guard = waiting.shift()) {
      const verdict = await tryGuard(guard)
      verdicts.push(verdict)
      const { file, line, name, caughtBy } = verdict
      console.log(`${caughtBy === null ? 'SURVIVED' : 'caught  '} ${file}:${line} ${name} ${caughtBy?.test ?? ''}`)
    }
  }),
)
verdicts.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line)
const survivors = verdicts.filter(({ caughtBy }) => caughtBy === null)
console.log(`${verdicts.length - survivors.length} of ${verdicts.length} guards are held by a test`)
if (wanted.length === 0) writeFileSync(join(root, 'docs/mutants.md'), table(verdicts))
process.exitCode = survivors.length > 0 ? 1 : 0
