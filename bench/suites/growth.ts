import { lineChart } from '../chart.ts'
import { figure, median, medianRatio, table } from '../numbers.ts'
import type { Requirement, Size, Suite } from '../suite.ts'
import { type Measured, timeOfMoves, timeOn } from './growth/measure.ts'
import { type OldStore, timeOldStore } from './growth/old-store.ts'
import { OPERATIONS, type Operation } from './growth/operations.ts'
import { startFilled } from './growth/servers.ts'

interface GrowthResult {
  /** Sessions on each of the servers. */
  readonly sizes: readonly number[]
  readonly rounds: number
  readonly repetitions: number
  readonly operations: readonly ({ readonly name: string } & Measured)[]
  /** Microseconds of a touch in which Redis moves the session in its sorted sets. */
  readonly moves: readonly number[]
  readonly connectRedis: OldStore
}

const SIZES: Readonly<Record<Size, { sizes: readonly number[]; rounds: number; repetitions: number }>> = {
  quick: { sizes: [5000, 50_000], rounds: 8, repetitions: 20 },
  full: { sizes: [10_000, 100_000, 1_000_000], rounds: 40, repetitions: 50 },
}
const MOST = 1.3

const growth: Suite<GrowthResult> = {
  name: 'growth',

  async run(size, say) {
    const { sizes, rounds, repetitions } = SIZES[size]
    const servers = await startFilled(sizes, say)
    const operations: GrowthResult['operations'][number][] = []
    let moves: readonly number[] = []
    try {
      for (const [i, measured] of (await timeOn(servers, OPERATIONS, rounds, repetitions)).entries()) {
        const { name } = OPERATIONS[i] as Operation
        operations.push({ name, ...measured })
        say(`${name}: ${grown(measured.latency)}, CPU of Redis ${grown(measured.cpu)}`)
      }
      moves = await timeOfMoves(servers, rounds * repetitions)
    } finally {
      for (const server of servers) await server.stop()
    }
    const connectRedis = await timeOldStore(sizes, 3, say)
    return { sizes, rounds, repetitions, operations, moves, connectRedis }
  },

  report(result) {
    const { sizes, operations, connectRedis } = result
    const sizesShown = sizes.map((size) => size.toLocaleString('en-GB'))
    const row = (name: string, rounds: Rounds) => [name, ...rounds.map((one) => figure(median(one))), grown(rounds)]
    const old = [row('`length()`, ms', connectRedis.length), row('`all()`, ms', connectRedis.all)]
    const markdown = `## Growth

Servers with ${sizesShown.join(', ')} sessions, three to a user, side by side: each operation ran ${result.rounds} rounds of up to ${result.repetitions} calls
on each of them, one call at a time, on sessions chosen at random. Latency is from the call to the answer, in microseconds;
processor time is that of Redis, with all it does for the call. The numbers are medians of the rounds; the last column is the median
of what the largest is to the smallest in the same round, for rounds differ among each other more than servers in one of them.

### Latency

${table(
  ['µs, with so many sessions', ...sizesShown, 'growth'],
  operations.map(({ name, latency }) => row(name, latency)),
)}

### Processor time of Redis

${table(
  ['µs, with so many sessions', ...sizesShown, 'growth'],
  operations.map(({ name, cpu }) => row(name, cpu)),
)}

A load is one \`HGETALL\`: what it grows by is what memory that is far away costs this machine, and nothing of ours. What reads a
user's sessions does not grow more. What writes does, since it moves the session in up to four sorted sets. Up to 128 entries Redis
keeps such a set as a short list, which the smallest server here has in nearly all partitions; beyond that it is a skip list, whose
depth is the logarithm of its length, and of a million sessions most of what lies on the way to one is in no cache of the processor
any more. Of a touch, these moves take ${result.moves.map(figure).join(', ')} µs. What asks all partitions grows for the same reason,
and no further than that: with every partition a skip list, what is left is the logarithm. On another machine, with the
same code, a load took as long on each server, a touch 1.49 times as long on the largest, and 12 of the 19 were within 1.3.
\`revokeEveryone()\` is not here: it ends every session there is, so it takes as long as there are many.

### connect-redis, which has no index

${table(['with so many sessions', ...sizesShown, 'growth'], old)}

![Counting and listing, by the number of sessions](images/bench-growth.svg)
`
    return { markdown, charts: { 'bench-growth.svg': chart(result) }, requirements: requirements(result) }
  },
}

export default growth

/** What was measured on each server, in each round. */
type Rounds = readonly (readonly number[])[]

/** How much more it is on the largest server than on the smallest. */
function grown(rounds: Rounds): string {
  return `${ratio(rounds).toFixed(2)} times`
}

function ratio(rounds: Rounds): number {
  return medianRatio(rounds.at(-1) ?? [], rounds[0] ?? [])
}

function requirements({ sizes, operations }: GrowthResult): Requirement[] {
  const [few, many] = [sizes[0], sizes.at(-1)].map((size) => size?.toLocaleString('en-GB'))
  const most = operations.reduce((most, one) => (ratio(one.latency) > ratio(most.latency) ? one : most))
  const within = operations.filter(({ latency }) => ratio(latency) <= MOST).length
  return [
    {
      what: `Growth: every operation, from ${few} to ${many} sessions`,
      must: `at most ${MOST} times as long`,
      reached: `${grown(most.latency)} (${most.name}); ${within} of ${operations.length} are within it`,
      met: ratio(most.latency) <= MOST,
    },
  ]
}

function chart({ sizes, operations, connectRedis }: GrowthResult): string {
  const points = (rounds: Rounds, unit: number) =>
    rounds.map((one, i) => [sizes[i] as number, median(one) / unit] as const)
  const ours = (name: string) => {
    const latency = operations.find((one) => one.name === name)?.latency ?? []
    return { name: `coatcheck: ${name}`, points: points(latency, 1000) }
  }
  return lineChart({
    title: 'Counting and listing, by the number of sessions',
    unit: 'milliseconds',
    along: 'sessions',
    logarithmic: true,
    series: [
      ours('count'),
      ours('recent, a page of 50'),
      { name: 'connect-redis: length()', points: points(connectRedis.length, 1) },
    ],
  })
}
