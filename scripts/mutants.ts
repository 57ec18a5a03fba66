/**
 * Shows that every guard is held by a test: deletes each line marked `-- guard: name` in lua/ and `// guard: name` in src/, one
 * at a time, in a copy of the repository, and runs the tests, the nearest first, until one fails. Writes what it finds to the
 * table in docs/mutants.md as it goes, and exits 1 when a guard can go unnoticed. `npm run mutants -- name …` tries only the
 * guards whose place or name says that, `--new` those that the table does not list. MUTANTS_JOBS: how many at a time, 2 by default.
 *
 * What counts: a test that fails twice without the guard, in a file that passes as long as all guards are there. What fails
 * once was the weather, and a file that does not load says nothing about a guard. A test that hangs has to fail by its own
 * timeout; a file that hangs without that counts for nothing.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { runTests } from './failing-test.ts'

const root = join(import.meta.dirname, '..')
const COPIED = [
  'src',
  'lua',
  'test',
  'scripts',
  'demo',
  'docs',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
]
const JOBS = Number(process.env.MUTANTS_JOBS ?? Math.min(2, availableParallelism()))
/** Only for the client that a guard is about: the others have none of it. */
const clientFor = (file: string) => (file.startsWith('src/redis/clients/ioredis') ? 'ioredis 6' : 'node-redis 6')
/** Two would do if all that fails did so for want of the guard. */
const ATTEMPTS = 3

/** What users do, the files that take seconds before those that take longer. */
const USERS = ['revocations', 'devices', 'rotation', 'login-failures', 'events', 'limit', 'monitoring', ''].map(
  (name) => `test/users/${name}`,
)

/** What the store for express-session does with the sessions of connect-redis, likewise. */
const MIGRATION = ['migrate-crash', 'migrate.', 'migrate-first-step', 'migrate-rolling', 'migrate'].map(
  (name) => `test/express-session/${name}`,
)

/** What clients of several servers do while these change, and what is done to replicas. */
const CLUSTERS = ['test/redis/cluster-changes.', 'test/redis/cluster.']
const SENTINELS = ['test/redis/sentinel-changes.', 'test/redis/sentinel.']
const WAIT = ['test/redis/wait-barrier.', 'test/redis/wait.', 'test/redis/wait-many.']

/** Where the tests of a guard are, the nearest first, after the file of the same name. The first entry that fits counts. */
const NEAREST: readonly (readonly [guarded: string, tests: readonly string[]])[] = [
  ['lua/take', [...MIGRATION, 'test/redis/connect-redis.']],
  ['lua/old_write.', MIGRATION],
  ['lua/touch.', ['test/redis/short-lives.', 'test/redis/redis-store.']],
  ['lua/destroy.', ['test/redis/redis-store.']],
  ['lua/create.', ['test/redis/redis-store.', 'test/redis/indexes.', ...USERS]],
  ['lua/release.', ['test/users/login-failures.', 'test/redis/redis-store.', 'test/from-express-session/', ...USERS]],
  ['lua/revoke_', USERS],
  ['lua/roles_', USERS],
  ['lua/', ['test/redis/redis-store.', 'test/redis/indexes.', 'test/redis/']],
  ['src/redis/connect-redis.', [...MIGRATION, 'test/redis/connect-redis.']],
  [
    'src/redis/redis-store.',
    ['test/from-express-session/', 'test/redis/broken-hash.', 'test/redis/node-redis.', 'test/redis/'],
  ],
  ['src/redis/clients/clients.', ['test/redis/advice.']],
  ['src/redis/clients/ioredis.', ['test/redis/ioredis.', 'test/redis/advice.', ...SENTINELS, 'test/redis/']],
  ['src/redis/clients/ioredis-end.', SENTINELS],
  ['src/redis/clients/ioredis-cluster.', ['test/redis/advice.', 'test/redis/ioredis.', ...CLUSTERS]],
  ['src/redis/clients/node-redis-cluster.', ['test/redis/node-redis.', 'test/redis/advice.', ...CLUSTERS]],
  ['src/redis/clients/node-redis-sentinel.', ['test/redis/node-redis.', ...SENTINELS]],
  ['src/redis/clients/routed.', ['test/redis/routed.', 'test/redis/runner.', ...CLUSTERS, ...SENTINELS]],
  ['src/redis/in-parts.', ['test/redis/runner.', ...CLUSTERS, 'test/redis/']],
  ['src/redis/replicas/', WAIT],
  ['src/redis/check/', ['test/redis/rights.', 'test/redis/check.']],
  ['src/redis/probe.', ['test/redis/rights.', 'test/redis/check.']],
  ['src/redis/monitoring.', ['test/redis/node-redis.', ...USERS]],
  ['src/redis/user-sessions.', USERS],
  [
    'src/redis/runner.',
    ['test/redis/delivered-twice.', 'test/redis/node-redis.', 'test/redis/outage.', ...WAIT, 'test/redis/'],
  ],
  ['src/redis/', ['test/redis/']],
  ['src/memory/room.', ['test/users/limit.']],
  ['src/memory/', ['test/memory/']],
  ['src/core/sessions.', ['test/memory/', 'test/core/']],
  ['src/core/adoptions.', ['test/from-express-session/']],
  ['src/adapters/express-session/cookie.', ['test/from-express-session/']],
  ['src/core/events.', ['test/users/events.', 'test/users/subscription.', ...USERS]],
  ['src/core/others.', ['test/users/events.', 'test/users/subscription.', ...USERS]],
  ['src/core/follow.', ['test/users/watch.', ...USERS]],
  ['src/core/logins.', USERS],
  ['src/core/user-sessions.', USERS],
  ['src/core/creations.', ['test/redis/wait.', 'test/core/', 'test/memory/', 'test/redis/']],
  ['src/core/request-state.', ['test/core/request-state.', 'test/hono/hono4.', 'test/core/']],
  ['src/core/', ['test/core/', 'test/memory/', 'test/redis/']],
  ['src/adapters/guarded.', ['test/hono/guards.', 'test/fastify/guards.']],
  ['src/adapters/failure-answer.', ['test/hono/hono4.']],
  ['src/adapters/express-errors.', express('errors')],
  ['src/express.', express('errors')],
  ['src/fastify.', ['test/fastify/lifecycle.', 'test/fastify/']],
  ['src/hono.', ['test/hono/middleware.', 'test/hono/']],
  ['src/adapters/hono-', ['test/hono/guards.', 'test/hono/']],
  ['src/adapters/fetch-', ['test/fetch/bodies.', 'test/fetch/']],
  ['src/adapters/guard-responses.', ['test/fetch/guards.', 'test/fetch/']],
  ['src/node.', ['test/node/']],
  [
    'src/express-session.',
    ['test/express-session/behaviour.', 'test/express-session/callbacks.', 'test/express-session/'],
  ],
  ['src/adapters/express-session/migration.', MIGRATION],
  ['src/adapters/express-session/old-json.', MIGRATION],
  ['src/adapters/express-session/rolling.', ['test/express-session/migrate-first-step.', ...MIGRATION]],
  [
    'src/adapters/express-session/',
    ['test/express-session/store.', 'test/express-session/expiry.', 'test/express-session/'],
  ],
  ['src/adapters/response-head.', express('head', 'body', 'errors', 'm')],
  ['src/', express('body', 'head', 'errors', 'm')],
]

/** Its operations are random, so what it notices it may not notice the next time. */
const LAST = 'test/model/'

interface Guard {
  readonly file: string
  readonly line: number
  readonly name: string
}

interface Verdict extends Guard {
  /** The test file and the test that failed, or `null` if none did. */
  readonly caughtBy: { file: string; test: string } | null
}

const copies = mkdtempSync(join(tmpdir(), 'coatcheck-mutants-'))
process.on('exit', () => rmSync(copies, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

/** The repository as it is now: who works on it meanwhile changes nothing here. */
const whole = join(copies, 'whole')
for (const name of COPIED) cpSync(join(root, name), join(whole, name), { recursive: true })
symlinkSync(join(root, 'node_modules'), join(whole, 'node_modules'))

function findGuards(): Guard[] {
  return globSync(['lua/*.lua', 'src/**/*.ts'], { cwd: whole, exclude: ['src/redis/scripts.ts'] })
    .sort()
    .flatMap((file) =>
      readFileSync(join(whole, file), 'utf8')
        .split('\n')
        .flatMap((text, i) => {
          const name = /(?:--|\/\/) guard: (.+)$/.exec(text)?.[1]
          return name === undefined ? [] : [{ file, line: i + 1, name }]
        }),
    )
}

/** Test files by how their names begin; the contract, which takes long, comes last. */
function express(...names: string[]): string[] {
  return [...names, ''].map((name) => `test/express/${name}`)
}

function testsFor(file: string): string[] {
  const [, places = []] = NEAREST.find(([guarded]) => file.startsWith(guarded)) ?? []
  const nearest = [file.replace(/^src\/(.*)\.ts$/, 'test/$1.test.ts'), ...places]
  const rank = (test: string) => {
    const place = nearest.findIndex((start) => test.startsWith(start))
    if (test.startsWith(LAST)) return nearest.length + 1
    return place < 0 ? nearest.length : place
  }
  const folders = 'core,redis,memory,model,express,express-session,from-express-session,fastify,hono,fetch,node,users'
  return globSync(`test/{${folders}}/**/*.test.ts`, {
    cwd: whole,
  }).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
}

const passing = new Map<string, Promise<void>>()

/** Makes sure, once, that a test file passes with all guards in place: else what it says of the others is worth nothing. */
function passesWhole(file: string, client: string): Promise<void> {
  const known = passing.get(`${client} ${file}`)
  if (known !== undefined) return known
  const passes = passesInTwo(file, client)
  passing.set(`${client} ${file}`, passes)
  return passes
}

async function passesInTwo(file: string, client: string): Promise<void> {
  if ((await runTests(whole, file, client)) === 'passed') return
  const ending = await runTests(whole, file, client)
  if (ending === 'passed') console.log(`unsteady ${file}`)
  else throw new Error(`${file} fails with all guards in place: ${JSON.stringify(ending)}`)
}

async function tryGuard(guard: Guard): Promise<Verdict> {
  const copy = join(copies, `${basename(guard.file)}-${guard.line}`)
  cpSync(whole, copy, { recursive: true })
  const path = join(copy, guard.file)
  const lines = readFileSync(path, 'utf8').split('\n')
  lines.splice(guard.line - 1, 1)
  writeFileSync(path, lines.join('\n'))
  if (guard.file.startsWith('lua/')) execFileSync(process.execPath, ['scripts/generate-scripts.ts'], { cwd: copy })
  try {
    const client = clientFor(guard.file)
    for (const file of testsFor(guard.file)) {
      await passesWhole(file, client)
      const test = await failsTwice(copy, file, client)
      if (test !== null) return { ...guard, caughtBy: { file, test } }
    }
    return { ...guard, caughtBy: null }
  } finally {
    rmSync(copy, { recursive: true })
  }
}

/** A test of a file that fails twice, or `null`. */
async function failsTwice(copy: string, file: string, client: string): Promise<string | null> {
  const failed = new Set<string>()
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const ending = await runTests(copy, file, client)
    if (typeof ending === 'object') {
      if (failed.has(ending.failed)) return ending.failed
      failed.add(ending.failed)
    } else if (failed.size === 0) return null
  }
  return null
}

function heldBy({ caughtBy }: Verdict): string {
  return caughtBy === null ? '**nothing**' : `${caughtBy.test.replaceAll('|', '\\|')} (\`${basename(caughtBy.file)}\`)`
}

const UNTRIED = 'not tried yet'
const TABLE = join(root, 'docs/mutants.md')

/** A guard in the table: several of one file may have the same name. */
function keysOf(guards: readonly Guard[]): Map<Guard, string> {
  const counts = new Map<string, number>()
  return new Map(
    guards.map((guard) => {
      const name = `${guard.file} | ${guard.name}`
      const nth = counts.get(name) ?? 0
      counts.set(name, nth + 1)
      return [guard, `${name} | ${nth}`]
    }),
  )
}

/** What holds each guard, as the table says. */
function readTable(): Map<string, string> {
  const counts = new Map<string, number>()
  const held = new Map<string, string>()
  for (const [, file, guard, by = ''] of readFileSync(TABLE, 'utf8').matchAll(/^\| `(\S+)` \| (.+?) \| (.+) \|$/gm)) {
    const name = `${file} | ${guard}`
    const nth = counts.get(name) ?? 0
    counts.set(name, nth + 1)
    if (by !== UNTRIED) held.set(`${name} | ${nth}`, by)
  }
  return held
}

function table(held: ReadonlyMap<string, string>): string {
  const rows = [...keys].map(([{ file, name }, key]) => `| \`${file}\` | ${name} | ${held.get(key) ?? UNTRIED} |`)
  return [
    '# Guards, and the tests that hold them',
    '',
    'A guard is a line whose loss would break a promise, marked `-- guard: name` in `lua/` and `// guard: name` in `src/`.',
    '`npm run mutants` deletes each in turn, runs the tests until one fails, and fails if none does; this table is what it wrote',
    'when it last tried each. A failure counts when the same test fails twice without the guard, in a file that passes with it.',
    'Where the loss makes a test wait for ever, its own timeout has to end it: a file that has to be killed counts for nothing.',
    'The first test that failed is named, not every one.',
    '',
    '| file | guard | held by |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const keys = keysOf(findGuards())
const held = readTable()
const wanted = process.argv.slice(2)
const isWanted = (guard: Guard, key: string) =>
  wanted.length === 0 ||
  wanted.some((word) => guard.file.includes(word) || guard.name.includes(word)) ||
  (wanted.includes('--new') && !held.has(key))
const guards = [...keys].flatMap(([guard, key]) => (isWanted(guard, key) ? [guard] : []))
if (guards.length === 0) throw new Error('No guard is called that.')
if (!(JOBS >= 1)) throw new Error('MUTANTS_JOBS must be a number above 0.')
const verdicts: Verdict[] = []
const waiting = [...guards]
await Promise.all(
  Array.from({ length: JOBS }, async () => {
    for (let guard = waiting.shift(); guard !== undefined; guard = waiting.shift()) {
      const verdict = await tryGuard(guard)
      verdicts.push(verdict)
      const { file, line, name, caughtBy } = verdict
      held.set(keys.get(guard) ?? '', heldBy(verdict))
      writeFileSync(TABLE, table(held))
      const by = caughtBy === null ? '' : `${basename(caughtBy.file)}: ${caughtBy.test}`
      console.log(`${caughtBy === null ? 'SURVIVED' : 'caught  '} ${file}:${line} ${name} | ${by}`)
    }
  }),
)
verdicts.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line)
const survivors = verdicts.filter(({ caughtBy }) => caughtBy === null)
console.log(`${verdicts.length - survivors.length} of ${verdicts.length} guards are held by a test`)
process.exitCode = survivors.length > 0 ? 1 : 0
