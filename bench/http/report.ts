import { barChart } from '../chart.ts'
import { figure, median, medianRatio, spread, table } from '../numbers.ts'
import type { Requirement, SuiteReport } from '../suite.ts'
import type { HttpResult } from '../suites/http.ts'
import type { Sample } from './measure.ts'
import { OPERATIONS, type Operation, VARIANTS } from './variants.ts'

const TITLES: Record<Operation, string> = {
  visitor: 'Visitor without a cookie',
  read: 'Read',
  write: 'Write one field',
  login: 'Login of a visitor',
  logout: 'Logout',
}

export function reportHttp(result: HttpResult): SuiteReport {
  const sections = OPERATIONS.map((operation) => section(result, operation))
  const charts = Object.fromEntries(OPERATIONS.map((operation) => [chartOf(operation), chart(result, operation)]))
  return {
    markdown: ['## HTTP', introduction(result), ...sections, floors(result), unfavourable(result)]
      .filter((part) => part !== '')
      .join('\n\n'),
    charts,
    requirements: requirementsOf(result),
  }
}

function introduction({ rounds, starts, sessions, seconds, turn, pinned }: HttpResult): string {
  const where = pinned
    ? 'on a processor core of its own; Redis and what sends the requests share the others'
    : 'on whichever core the system gives it'
  return `One Node process, ${where}. 64 keep-alive connections, ${sessions.toLocaleString('en-GB')} sessions of users, all of them begun
just before; every connection goes through cookies of its own. The applications on one framework run side by side and take
turns of ${turn} ms, in an order that changes: while one answers, the others are stopped (\`SIGSTOP\`). So a core that is now
faster and now slower, because others use the machine too, is so for all of them alike. What sends the requests never sleeps: else
an application would pay for waking it. In each of ${rounds} rounds every application is measured for ${seconds} s, after all have
been warmed up in the same way; each was started ${starts} times, for as many of the rounds each. All of them answer the same body on the
same routes, with \`NODE_ENV=production\`; the peers have the options that their documentation advises for logins, and coatcheck
its defaults, but for a \`storeTimeout\` of 30 s: to a process that is stopped, time goes on. The numbers are medians of the rounds,
a ratio is the median of the ratios within each round, processor time is in microseconds a request. In brackets above: the lowest
and the highest such median of one start alone. Of two applications compare the processor time: where requests per second come near
what the other processes can send and serve, they say less. On a machine that others use, too, a ratio differs by a tenth from one
whole run to the next, sometimes by two: take what is near a bound for undecided. Those without sessions get the same requests, with
cookies that say nothing to them, so that all have the same history when visitors come, which is last.

No touch is among the reads of coatcheck, since a session is extended once a minute at most. Somebody who reads less often than
that pays one each time: that is the line with \`touchInterval: 0\`. express-session sends an \`EXPIRE\` with every read,
@fastify/session a \`SET\`, or with \`rolling: false\` nothing: then a session ends however often it is read.`
}

function section(result: HttpResult, operation: Operation): string {
  const rows = variantsOf(result, operation).map(({ name, title, samples }) => [
    title,
    figure(median(samples.map(({ perSecond }) => perSecond))),
    figure(median(samples.map(({ nodeCpu }) => nodeCpu))),
    figure(median(samples.map(({ redisCpu }) => redisCpu))),
    figureOfCommands(result.commands[name]?.[operation]),
  ])
  return `### ${TITLES[operation]}

${table(['', 'requests/s', 'CPU of Node, µs', 'CPU of Redis, µs', 'commands'], rows)}

![${TITLES[operation]}](images/${chartOf(operation)})`
}

/** How near to the best that there is the requirements are. */
function floors(result: HttpResult): string {
  const ratio = (operation: Operation, above: string, below: string) => {
    const [one, other] = [above, below].map((name) =>
      (result.samples[name]?.[operation] ?? []).map(({ perSecond }) => perSecond),
    )
    return times(medianRatio(one as number[], other as number[]))
  }
  const rows = (
    [
      ['express-floor', 'express-connectRedis', 'Express, against express-session + connect-redis'],
      ['fastify-floor', 'fastify-notRolling', 'Fastify, against @fastify/session, rolling off'],
      ['fastify-floor', 'fastify-rolling', 'Fastify, against @fastify/session as it is by default'],
    ] as const
  ).map(([floor, peer, title]) => [title, ratio('read', floor, peer), ratio('write', floor, peer)])
  return `### How fast it can be

With no session library at all, one \`HGETALL\` by hand, and for a write one \`HSET\` that asks for nothing and brings sessions back
that have ended, serve so many times the requests a second:

${table(['', 'read', 'write'], rows)}

That is about what framework, HTTP and client leave: where a requirement asks for as much, there is nothing left for a library to
cost. By hand, the client's own time limit is on, an \`AbortSignal\` for each command, and it decodes a hash word by word. coatcheck
keeps deadlines of its own and decodes a hash at once, so it can come out ahead of this.`
}

/** Pairs of what is compared: ours, and what it takes the place of. */
const PAIRS = [
  ['express-coatcheck', 'express-connectRedis', 'Express'],
  ['express-ourStore', 'express-connectRedis', 'express-session with our store'],
  ['fastify-coatcheck', 'fastify-notRolling', 'Fastify, rolling off'],
  ['fastify-coatcheck', 'fastify-rolling', 'Fastify, its default'],
] as const

const MEASURES = { nodeCpu: 'CPU of Node, µs', redisCpu: 'CPU of Redis, µs' } as const

/** Less than this is no difference. */
const ALIKE = 1.05

/** Every number by which a peer is ahead, picked by the numbers alone. */
function unfavourable({ samples }: HttpResult): string {
  const rows = PAIRS.flatMap(([ours, theirs, where]) =>
    OPERATIONS.flatMap((operation) =>
      Object.entries(MEASURES).flatMap(([measure, title]) => {
        const of = (name: string) =>
          (samples[name]?.[operation] ?? []).map((sample) => sample[measure as keyof typeof MEASURES])
        const ratio = medianRatio(of(ours), of(theirs))
        // Nobody's request without a cookie asks Redis: what is measured there is the measuring.
        if (ratio < ALIKE || (operation === 'visitor' && measure === 'redisCpu')) return []
        const what = `${where}: ${TITLES[operation].toLowerCase()}, ${title}`
        return [[what, figure(median(of(ours))), figure(median(of(theirs))), times(ratio)]]
      }),
    ),
  )
  if (rows.length === 0) return ''
  return `### Where coatcheck takes more

${table(['', 'coatcheck', 'the other', ''], rows)}

A read gets a hash of named fields, where the others get one string. A write is a script, which looks whether the session is still
alive before it sets a field: a \`SET\` is cheaper, and brings sessions back that have ended. A login enters the session in the
user's index and in those of monitoring, looks at the limit of sessions and at what was revoked, and tells other processes; a
logout takes all that back.`
}

function figureOfCommands(commands: number | undefined): string {
  if (commands === undefined) return '–'
  return Number.isInteger(commands) ? `${commands}` : commands.toFixed(1)
}

function chartOf(operation: Operation): string {
  return `bench-http-${operation}.svg`
}

function chart(result: HttpResult, operation: Operation): string {
  const variants = variantsOf(result, operation)
  return barChart({
    title: `${TITLES[operation]}: processor time a request`,
    unit: 'microseconds',
    labels: variants.map(({ title }) => title.replaceAll('`', '')),
    series: [
      { name: 'Node', values: variants.map(({ samples }) => median(samples.map(({ nodeCpu }) => nodeCpu))) },
      { name: 'Redis', values: variants.map(({ samples }) => median(samples.map(({ redisCpu }) => redisCpu))) },
    ],
  })
}

function variantsOf({ samples }: HttpResult, operation: Operation) {
  return VARIANTS.flatMap(({ name, title }) => {
    const own = samples[name]?.[operation]
    return own === undefined ? [] : [{ name, title, samples: own }]
  })
}

/** What issue and README promise of HTTP, against what was measured. */
export function requirementsOf(result: HttpResult): Requirement[] {
  const of = (variant: string, operation: Operation, what: keyof Sample) =>
    (result.samples[variant]?.[operation] ?? []).map((sample) => sample[what])
  const ofEachStart = (ours: readonly number[], theirs: readonly number[]) => {
    if (result.starts === 1) return ''
    return ` (${spread(ours, theirs, result.starts)
      .map((ratio) => ratio.toFixed(2))
      .join(' to ')})`
  }
  const faster = (operation: Operation, ours: string, theirs: string, least: number, what: string): Requirement => {
    const both = [of(ours, operation, 'perSecond'), of(theirs, operation, 'perSecond')] as const
    const ratio = medianRatio(...both)
    const must = least === 1 ? 'not slower' : `at least ${least} times the requests/s`
    return { what, must, reached: `${times(ratio, least)}${ofEachStart(...both)}`, met: ratio >= least }
  }
  const cheaper = (operation: Operation, ours: string, theirs: string, most: number, what: string): Requirement => {
    const both = [of(ours, operation, 'nodeCpu'), of(theirs, operation, 'nodeCpu')] as const
    const ratio = medianRatio(...both)
    const reached = `${times(ratio, most)}${ofEachStart(...both)}`
    return { what, must: `at most ${most} times the CPU of Node`, reached, met: ratio <= most }
  }
  const commands = (operation: Operation, expected: number): Requirement => {
    const counted = ['express', 'fastify', 'hono', 'node'].map(
      (name) => result.commands[`${name}-coatcheck`]?.[operation] ?? Number.NaN,
    )
    const reached = [...new Set(counted)].map(figureOfCommands).join(', ')
    return { what: `Commands: ${operation}`, must: `${expected}`, reached, met: counted.every((n) => n === expected) }
  }
  const express = 'express-coatcheck'
  const fastify = 'fastify-coatcheck'
  return [
    faster('read', express, 'express-connectRedis', 1.8, 'Read, Express, against express-session + connect-redis'),
    cheaper('read', express, 'express-floor', 1.15, 'Read, Express, against one `HGETALL` by hand'),
    faster('read', fastify, 'fastify-notRolling', 1.5, 'Read, Fastify, against @fastify/session, rolling off'),
    faster('read', fastify, 'fastify-rolling', 2, 'Read, Fastify, against @fastify/session as it is by default'),
    faster('write', express, 'express-connectRedis', 1.6, 'Write, Express, against express-session + connect-redis'),
    faster('write', fastify, 'fastify-notRolling', 1.6, 'Write, Fastify, against @fastify/session, rolling off'),
    faster('write', fastify, 'fastify-rolling', 1.6, 'Write, Fastify, against @fastify/session as it is by default'),
    ...(['express', 'fastify', 'hono', 'node'] as const).map((name) =>
      cheaper(
        'visitor',
        `${name}-coatcheck`,
        `${name}-none`,
        1.1,
        `Visitor without a cookie, ${name}, against no sessions`,
      ),
    ),
    faster('read', 'express-ourStore', 'express-connectRedis', 1, 'express-session with our store, read'),
    faster('write', 'express-ourStore', 'express-connectRedis', 1, 'express-session with our store, write'),
    commands('visitor', 0),
    commands('read', 1),
    commands('write', 2),
  ]
}

/** @param bound what it must be at least or at most: where it is so near that two decimals do not tell, three do */
function times(ratio: number, bound?: number): string {
  return `${ratio.toFixed(ratio.toFixed(2) === bound?.toFixed(2) ? 3 : 2)} times`
}
