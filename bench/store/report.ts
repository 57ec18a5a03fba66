import { barChart } from '../chart.ts'
import { figure, median, medianRatio, table } from '../numbers.ts'
import type { Requirement, SuiteReport } from '../suite.ts'
import type { StoreResult } from '../suites/store.ts'
import { STORE_OPERATIONS, type StoreOperation } from './operations.ts'
import type { StoreSample } from './worker.ts'

const CLIENTS = ['node-redis', 'ioredis'] as const
const CHART = 'bench-store-cpu.svg'

export function reportStore(result: StoreResult): SuiteReport {
  const concurrencies = [...new Set(result.samples['node-redis'].flat().map(({ concurrency }) => concurrency))]
  const parts = [
    `## The store, without a web framework

Every operation of \`Sessions\`, on ${result.sessions.toLocaleString('en-GB')} sessions of users, by one Node process; so many at
once as the headings say. Processor time is in microseconds an operation. A login is one of a visitor without a session, a commit
is the write of a request that has read its session before.`,
    ...concurrencies.map((concurrency) => section(result, concurrency)),
    `![Processor time of an operation](images/${CHART})`,
    limits(result),
  ]
  return {
    markdown: parts.filter((part) => part !== '').join('\n\n'),
    charts: { [CHART]: chart(result, concurrencies.at(-1) ?? 0) },
    requirements: requirementsOf(result),
  }
}

function section(result: StoreResult, concurrency: number): string {
  const rows = STORE_OPERATIONS.map((operation) => [
    `\`${operation}\``,
    ...CLIENTS.map((client) => middle(result, client, operation, concurrency, 'perSecond')),
    ...CLIENTS.map((client) => middle(result, client, operation, concurrency, 'clientCpu')),
    middle(result, 'node-redis', operation, concurrency, 'redisCpu'),
  ])
  const head = ['', ...CLIENTS.map((client) => `${client}, per second`), ...CLIENTS.map((client) => `${client}, CPU`)]
  return `### ${concurrency} at once\n\n${table([...head, 'Redis, CPU'], rows)}`
}

function limits({ limits: found, byHand }: StoreResult): string {
  const compared = `By hand over the same client, on the same hashes, the server takes ${figure(median(byHand.read.plain))} µs for an \`HGETALL\` and
${figure(median(byHand.commit.plain))} µs for an \`HSET\` with a \`PEXPIRE\`; for a load of coatcheck ${figure(median(byHand.read.ours))} µs, for a commit ${figure(median(byHand.commit.ours))} µs. A commit is a script: besides
setting the field it looks whether the session is alive; once a minute it also counts the requests since, and extends the session.`
  if (found.length === 0) return `### The server alone\n\n${compared} There was no redis-benchmark to ask for more.`
  const rows = found.map(({ command, connections, perSecond }) => [command, `${connections}`, figure(perSecond)])
  return `### The server alone

${compared} By \`redis-benchmark\`, with the same commands and arguments, it does at most:

${table(['', 'connections', 'per second'], rows)}`
}

function chart(result: StoreResult, concurrency: number): string {
  const values = (client: (typeof CLIENTS)[number], what: 'clientCpu' | 'redisCpu') =>
    STORE_OPERATIONS.map((operation) => median(numbers(result, client, operation, concurrency, what)))
  return barChart({
    title: `Processor time of an operation, ${concurrency} at once`,
    unit: 'microseconds',
    labels: STORE_OPERATIONS,
    series: [
      { name: 'Node, node-redis', values: values('node-redis', 'clientCpu') },
      { name: 'Node, ioredis', values: values('ioredis', 'clientCpu') },
      { name: 'Redis', values: values('node-redis', 'redisCpu') },
    ],
  })
}

function requirementsOf({ byHand: { read, commit } }: StoreResult): Requirement[] {
  const within = (what: string, ratio: number, most: number): Requirement => ({
    what,
    must: `at most ${most} times`,
    reached: `${ratio.toFixed(2)} times`,
    met: ratio <= most,
  })
  return [
    within('CPU of Redis, a read against a plain `HGETALL`', medianRatio(read.ours, read.plain), 1.05),
    within('CPU of Redis, a commit against `HSET` and `PEXPIRE`', medianRatio(commit.ours, commit.plain), 3),
  ]
}

type Figures = 'perSecond' | 'clientCpu' | 'redisCpu'

function middle(
  result: StoreResult,
  client: (typeof CLIENTS)[number],
  operation: StoreOperation,
  concurrency: number,
  what: Figures,
): string {
  return figure(median(numbers(result, client, operation, concurrency, what)))
}

function numbers(
  { samples }: StoreResult,
  client: (typeof CLIENTS)[number],
  operation: StoreOperation,
  concurrency: number,
  what: Figures,
): number[] {
  const isIt = (sample: StoreSample) => sample.operation === operation && sample.concurrency === concurrency
  return samples[client].flatMap((round) => round.filter(isIt).map((sample) => sample[what]))
}
