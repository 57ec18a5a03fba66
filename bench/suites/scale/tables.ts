import { figure, table } from '../../numbers.ts'
import type { ScaleResult } from '../scale.ts'
import { type Costs, type Limits, type Plan, planFor, type Site } from './model.ts'

// What docs/scale.md shows of a measurement, by the name of the place where it stands.

const GIB = 2 ** 30

/** A master of the size that operators like: what fails over and is copied in minutes. */
export const LIMITS: Limits = { busy: 0.5, memory: 12 * GIB, overhead: 1.3 }

/** A site in use: everybody who is there looks at a page a minute. */
export const SITE: Omit<Site, 'sessions'> = {
  requestEvery: 60,
  writing: 0.1,
  lasts: 60 * 60,
  loggedOut: 0.5,
  touchInterval: 60,
  events: true,
}

const SIZES = [1e6, 1e7, 1e8]

/** Ways to change a site of 100 million sessions, each on top of the one before. */
export const CHANGES: readonly { readonly what: string; readonly site: Partial<Site>; readonly monitoring: boolean }[] =
  [
    { what: 'as it is by default', site: {}, monitoring: true },
    { what: '`touchInterval` of 5 minutes', site: { touchInterval: 300 }, monitoring: true },
    { what: 'and `monitoring: false`', site: { touchInterval: 300 }, monitoring: false },
    { what: 'and no right to publish', site: { touchInterval: 300, events: false }, monitoring: false },
  ]

/** Every table of the page. */
export function scaleTables(result: ScaleResult): Record<string, string> {
  return {
    measured: measuredTable(result),
    check: checkTable(result),
    events: eventsTable(result),
    sizes: sizesTable(result),
    changes: changesTable(result),
    activity: activityTable(result),
  }
}

/** What the model is fed: the cluster of three masters, every command over a connection of its own. */
export function costsOf({ bytes, bytesUnmonitored, used, events }: ScaleResult, monitoring: boolean): Costs {
  const cpu = (operation: string) =>
    used
      .find((one) => one.operation === operation && one.arrival === 'apart' && one.monitoring === monitoring)
      ?.of.at(-1)?.cpu ?? Number.NaN
  const [alone, three] = [events[1], events.at(-1)]
  if (alone === undefined || three === undefined) throw new Error('The scale suite has not measured what events cost.')
  return {
    bytes: (monitoring ? bytes : bytesUnmonitored).at(-1) as number,
    cpu: { load: cpu('load'), touch: cpu('touch'), write: cpu('write'), login: cpu('login'), logout: cpu('logout') },
    event: { send: Math.max(0, three.own - alone.own) / 2, receive: three.others },
  }
}

function measuredTable(result: ScaleResult): string {
  const [on, off] = [costsOf(result, true), costsOf(result, false)]
  const row = (what: string, of: (costs: Costs) => number) => [what, figure(of(on)), figure(of(off))]
  return table(
    ['', 'monitoring on', 'monitoring off'],
    [
      row('bytes a session, all indexes included', ({ bytes }) => bytes),
      row('a load, µs', ({ cpu }) => cpu.load),
      row('a touch, µs', ({ cpu }) => cpu.touch),
      row('a write of one field, µs', ({ cpu }) => cpu.write),
      row('a session that begins, µs', ({ cpu }) => cpu.login),
      row('a logout, µs', ({ cpu }) => cpu.logout),
      row('an event: to send it to another node, µs', ({ event }) => event.send),
      row('an event: to get it, µs', ({ event }) => event.receive),
    ],
  )
}

export function checkTable({ subjects, used }: ScaleResult): string {
  const rows = used.flatMap(({ operation, arrival, monitoring, of }) =>
    arrival === 'apart' && monitoring ? [[operation, ...of.map(({ cpu }) => figure(cpu))]] : [],
  )
  const apart = used.filter(({ arrival, monitoring }) => arrival === 'apart' && monitoring)
  const busiest = subjects.map((_, i) => Math.max(...apart.map(({ of }) => of[i]?.busiest ?? 0)))
  return table(
    ['µs of processor time', ...subjects],
    [...rows, ['the busiest master, over the mean', ...busiest.map((share) => `${(share * 100).toFixed(0)} %`)]],
  )
}

function eventsTable({ subjects, events }: ScaleResult): string {
  const rows = subjects.map((name, i) => [
    name,
    figure(events[i]?.own ?? 0),
    i < 2 ? '' : figure(events[i]?.others ?? 0),
  ])
  return table(['µs an event', 'where it happens', 'each other master'], rows)
}

function sizesTable(result: ScaleResult): string {
  return plansTable(
    SIZES.map((sessions) => [
      `${sessions / 1e6} million sessions`,
      planFor({ ...SITE, sessions }, costsOf(result, true), LIMITS),
    ]),
  )
}

function changesTable(result: ScaleResult): string {
  return plansTable(
    CHANGES.map(({ what, site, monitoring }) => [
      what,
      planFor({ ...SITE, sessions: 1e8, ...site }, costsOf(result, monitoring), LIMITS),
    ]),
  )
}

function activityTable(result: ScaleResult): string {
  return plansTable(
    [10, 60, 300, 900].map((requestEvery) => [
      `a request every ${requestEvery < 60 ? `${requestEvery} s` : requestEvery === 60 ? 'minute' : `${requestEvery / 60} minutes`}`,
      planFor({ ...SITE, sessions: 1e8, requestEvery, touchInterval: 300 }, costsOf(result, true), LIMITS),
    ]),
  )
}

function plansTable(plans: readonly (readonly [string, Plan])[]): string {
  const head = [
    '',
    'commands/s',
    'busy cores',
    'of that, most for',
    'memory',
    'masters for memory',
    'masters for CPU',
    'events/s',
    'telling them',
    'the limit',
  ]
  const rows = plans.map(([what, plan]) => [
    what,
    figure(Object.values(plan.rates).reduce((sum, rate) => sum + rate, 0)),
    figure(plan.cores),
    plan.dearest,
    `${figure(plan.bytes / GIB)} GiB`,
    String(plan.mastersForMemory),
    Number.isFinite(plan.mastersForCpu) ? String(plan.mastersForCpu) : 'no number is enough',
    figure(plan.events),
    `${(plan.telling * 100).toFixed(0)} %`,
    plan.limit,
  ])
  return table(head, rows)
}
