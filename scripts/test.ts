/**
 * Runs the tests, each file in a process of its own, and fails also when they leave too much of src/ unreached. `--long` raises
 * the bounds of those that have some to about ten times as long. `npm test -- test/core/token.test.ts …` runs only these files,
 * and measures nothing.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const MINUTE = 60_000
/** What tests read that have a long form; whoever sets one of these decides. */
const LONG = {
  MODEL_RUNS: '4000',
  HOSTILE_REQUESTS: '100000',
  LEAK_REQUESTS: '200000',
  COSTS_SESSIONS: '200000',
  LOGIN_KILLS: '200',
  MASTER_KILLS: '50',
  REDIS_KILLS: '50',
  RACES_IN_FULL: 'all',
  USER_SESSIONS: '100000',
  EVERY_CLIENT: 'yes',
}
const COVERAGE = [
  '--experimental-test-coverage',
  '--test-coverage-include=src/**',
  // Made from lua/.
  '--test-coverage-exclude=src/redis/scripts.ts',
  '--test-coverage-lines=95',
  '--test-coverage-branches=90',
  // Only what the tests reach in their own processes counts. The programs that they start write nothing: some of these are
  // killed, and half a file would fail the run; in others it is memory and time that is measured.
  '--import=data:text/javascript,delete(process.env.NODE_V8_COVERAGE)',
]

const { values, positionals: files } = parseArgs({ options: { long: { type: 'boolean' } }, allowPositionals: true })
const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    // For two cores: most of them wait more than they compute.
    '--test-concurrency=3',
    // Of a file as a whole, and of each test that says nothing else.
    `--test-timeout=${(values.long ? 60 : 5) * MINUTE}`,
    ...(files.length > 0 ? files : [...COVERAGE, 'test/**/*.test.ts']),
  ],
  {
    cwd: join(import.meta.dirname, '..'),
    env: values.long ? { ...LONG, ...process.env } : process.env,
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
