import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Customer, customers, stillThere, type Tally } from './master-kill-load.ts'
import { type Killable, killableCluster, killableSentinels } from './master-kill-servers.ts'

export interface MasterKillOptions {
  kind: 'cluster' | 'sentinel'
  client: 'node-redis' | 'ioredis'
  runs: number
  waitForReplicas: boolean
}

/** What users have seen of so many kills. Times in milliseconds. */
export interface MasterKillResult {
  runs: number
  requests: number
  failed: number
  /** From each kill to the answer of the last request that failed, other than for want of a replica. */
  lastFailure: { median: number; most: number }
  /** From each kill to the answer of the last one that failed for want of a replica: until the killed server is back as one. */
  lastUnacknowledged: { median: number; most: number }
  /** The longest that a failed request took. */
  longestFailed: number
  /** Answers that are none of ours. */
  wrong: string[]
  logins: number
  loginsLost: number
  logouts: number
  logoutsUndone: number
  writesLost: number
  /** Acknowledged logins whose request came after the kill, and which are not there. */
  lostAfterKill: number
  /** What the process has said on its standard error: rejections that nobody handles, warnings. */
  said: string[]
  /** How it ended once it had closed everything: by itself, with 0. */
  exit: number | string
}

const CONNECTIONS = 32
/** Milliseconds of load before a kill and after another master is there. */
const AROUND = 500
/** Milliseconds that the process has to end when it has closed everything. */
const TO_END = 10_000

/** Kills a master under load, again and again, and counts what has become of what was acknowledged. */
export async function masterKill(options: MasterKillOptions): Promise<MasterKillResult> {
  const servers = await (options.kind === 'cluster' ? killableCluster() : killableSentinels())
  try {
    return await runs(servers, options)
  } finally {
    await servers.stop()
  }
}

async function runs(servers: Killable, options: MasterKillOptions): Promise<MasterKillResult> {
  const app = await startApp(servers.urls, options)
  const [lastFailures, lastUnacknowledged]: number[][] = [[], []]
  const sum = { requests: 0, failed: 0, longestFailed: 0, logins: 0, loginsLost: 0 }
  const also = { logouts: 0, logoutsUndone: 0, writesLost: 0, lostAfterKill: 0, wrong: [] as string[] }
  for (let run = 0; run < options.runs; run++) {
    const tally: Tally = { requests: 0, failures: [], wrong: [] }
    const load = customers(app.port, CONNECTIONS, run, tally)
    await pause(AROUND)
    await servers.kill()
    const killedAt = performance.now()
    await servers.takenOver()
    await pause(AROUND)
    await servers.restore()
    await load.goesOn()
    const all = await load.stop()

    const since = (of: (code: string) => boolean) =>
      Math.max(0, ...tally.failures.flatMap(({ code, at }) => (of(code) ? [at - killedAt] : [])))
    lastFailures?.push(since((code) => code !== 'ERR_STORE_REPLICAS'))
    lastUnacknowledged?.push(since((code) => code === 'ERR_STORE_REPLICAS'))
    sum.requests += tally.requests
    sum.failed += tally.failures.length
    sum.longestFailed = Math.max(sum.longestFailed, ...tally.failures.map(({ took }) => took))
    also.wrong.push(...tally.wrong)
    for (const customer of all) count(customer, await stillThere(app.port, customer), killedAt, sum, also)
  }
  return {
    runs: options.runs,
    ...sum,
    ...also,
    ...times(lastFailures ?? [], lastUnacknowledged ?? []),
    ...(await app.end()),
  }
}

type Sum = Pick<MasterKillResult, 'logins' | 'loginsLost'>
type Also = Pick<MasterKillResult, 'logouts' | 'logoutsUndone' | 'writesLost' | 'lostAfterKill'>

function count(
  customer: Customer,
  found: { user: string | null; writes: number },
  killedAt: number,
  sum: Sum,
  also: Also,
) {
  const isThere = found.user === customer.user
  if (customer.loggedOut === 'yes') {
    also.logouts++
    if (isThere) also.logoutsUndone++
  } else if (customer.loggedOut === 'no') {
    sum.logins++
    if (isThere && found.writes < customer.writes) also.writesLost++
    if (isThere) return
    sum.loginsLost++
    if (customer.begunAt > killedAt) also.lostAfterKill++
  }
}

function times(lastFailures: number[], lastUnacknowledged: number[]) {
  const of = (list: number[]) => {
    const sorted = list.toSorted((a, b) => a - b).map(Math.round)
    return { median: sorted[sorted.length >> 1] ?? 0, most: sorted.at(-1) ?? 0 }
  }
  return { lastFailure: of(lastFailures), lastUnacknowledged: of(lastUnacknowledged) }
}

async function startApp(urls: readonly string[], { kind, client, waitForReplicas }: MasterKillOptions) {
  const env = { ...process.env, SERVERS: kind, LIBRARY: client, URLS: urls.join(), WAIT: waitForReplicas ? 'yes' : '' }
  const program = fileURLToPath(new URL('./master-kill-app.ts', import.meta.url))
  const child = spawn(process.execPath, ['--unhandled-rejections=strict', program], { env, stdio: 'pipe' })
  const exited = once(child, 'exit')
  const said: string[] = []
  createInterface(child.stderr).on('line', (line) => said.push(line))
  const port = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([line]) => Number(line)),
    exited.then(() => {
      throw new Error(`The application has ended:\n${said.join('\n')}`)
    }),
  ])
  return {
    port,
    async end() {
      child.stdin.end()
      const late = setTimeout(() => child.kill('SIGKILL'), TO_END)
      const [code, signal] = await exited
      clearTimeout(late)
      return { said, exit: (code ?? signal) as number | string }
    },
  }
}
