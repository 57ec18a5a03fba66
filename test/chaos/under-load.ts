import { setTimeout as pause } from 'node:timers/promises'
import type { Scope } from '../support/http.ts'
import { measureStall } from '../support/lag.ts'
import type { RedisClient } from '../support/redis-server.ts'
import { type ChaosApp, complaintsOf, type RunningApp, startApps } from './apps.ts'
import { check } from './checker.ts'
import { type Done, outcomeOf } from './history.ts'
import { Load } from './load.ts'
import { readStored } from './stored.ts'

/** What a chaos program has found. */
export interface Result {
  /** What was done, and how often. */
  readonly done: string
  /** Measured, as to be printed. */
  readonly measured: Readonly<Record<string, string | number>>
  readonly violations: readonly string[]
}

export interface UnderLoad {
  readonly app: Omit<ChaosApp, 'prefix' | 'sessions'>
  /** Options of `createSessions`. */
  readonly sessions?: object
  /** Clients of each master, to look at what is there. */
  masters(): Promise<readonly RedisClient[]>
  /** How many of the application there are. Default 2. */
  readonly processes?: number
  readonly connections?: number
  readonly tabs?: number
  /** The mean time in ms between an answer and the next request. */
  readonly rest?: number
  /** How many ms a request may take. */
  readonly patience: number
  /** How many ms later than it should a key may expire. */
  readonly drift?: number
  /** When all connections to Redis were broken, as it becomes known. */
  readonly cuts?: readonly number[]
  /** What happens meanwhile. The load goes on until it resolves. */
  chaos(running: { readonly apps: readonly RunningApp[]; readonly load: Load }): Promise<void>
}

/** After so many ms nothing of a request that nobody waits for can happen any more. */
const SETTLED = 1500
const GRACE = 2000
let runs = 0

/** Has two processes of an application serve the load while something happens, and checks all that came of it. */
export async function underLoad(
  scope: Scope,
  options: UnderLoad,
): Promise<{ violations: string[]; history: readonly Done[]; apps: readonly RunningApp[] }> {
  const prefix = `chaos-${process.pid}-${++runs}:`
  const sessions = { rotationGrace: GRACE, ...options.sessions }
  const apps = await startApps(scope, { ...options.app, prefix, sessions }, options.processes ?? 2)
  const { connections = 64, tabs = 2, rest = 50 } = options
  const load = new Load({ ports: apps.map(({ port }) => port), connections, tabs, rest, name: `n${runs}` })
  const busy = measureStall()
  let isOver = false
  const running = load.run(() => isOver)
  try {
    await options.chaos({ apps, load })
  } finally {
    isOver = true
    await running
  }
  await pause(SETTLED)
  const stored = await readStored(await options.masters(), prefix)
  const { history } = load
  const patience = options.patience + busy()
  const violations = check({
    history,
    stored,
    grace: GRACE,
    patience,
    drift: options.drift ?? 0,
    cuts: options.cuts ?? [],
  })
  return { violations: [...violations, ...complaintsOf(apps)], history, apps }
}

/** How often what was answered, and how long it took. */
export function summaryOf(history: readonly Done[]): Record<string, string | number> {
  const took = history.map(({ begin, end }) => end - begin).sort((a, b) => a - b)
  const at = (share: number) => `${Math.round(took[Math.floor((took.length - 1) * share)] ?? 0)} ms`
  const count = (outcome: string) => history.filter((done) => outcomeOf(done) === outcome).length
  const failed = history.filter(({ status }) => status === 503)
  return {
    requests: history.length,
    acknowledged: count('done'),
    refused: count('refused'),
    'of unknown outcome': count('unknown'),
    'answered 503': failed.length,
    'without an answer': history.filter(({ status }) => status === null).length,
    median: at(0.5),
    '99 %': at(0.99),
    slowest: at(1),
  }
}
