import { CLIENTS } from '../redis/clients.ts'
import type { Scope } from '../support/http.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { cutReplies } from './cut-replies.ts'
import { failoverWhileMoving } from './failover-while-moving.ts'
import { masterKill } from './master-kill.ts'
import { violationsOf } from './master-kill-result.ts'
import { frozenNetwork, slowNetwork, strandedConnections } from './network.ts'
import { resharding } from './resharding.ts'
import { soak } from './soak.ts'
import type { Result } from './under-load.ts'

// All that `npm run chaos` does, in its long form.

/** What is done at once in one process: it starts what it needs, and its scope ends it. */
export interface Scenario {
  readonly name: string
  /** @param minutes how long the soak lasts; all else is shorter in proportion */
  run(scope: Scope, minutes: number): Promise<Result>
}

const MINUTE = 60_000
const BOTH = ['node-redis', 'ioredis'] as const

/** A tenth of the time that the soak takes, and no more than a minute. */
const short = (minutes: number) => Math.min(minutes / 10, 1) * MINUTE

async function onCluster<T>(scope: Scope, run: (cluster: Awaited<ReturnType<typeof startCluster>>) => Promise<T>) {
  const cluster = await startCluster()
  scope.after(() => cluster.stop())
  return run(cluster)
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'soak',
    run: (scope, minutes) => soak(scope, { client: 'node-redis', ms: minutes * MINUTE, memory: true }),
  },
  {
    name: 'soak-ioredis',
    run: (scope, minutes) => soak(scope, { client: 'ioredis', ms: 2 * short(minutes), memory: false }),
  },
  ...BOTH.flatMap((client) =>
    [false, true].map((byRedisCli) => ({
      name: `resharding-${byRedisCli ? 'redis-cli-' : ''}${client}`,
      run: (scope: Scope, minutes: number) =>
        onCluster(scope, (cluster) => resharding(scope, cluster, { client, ms: short(minutes), byRedisCli })),
    })),
  ),
  ...BOTH.flatMap((client) =>
    (['source', 'target'] as const).map((killed) => ({
      name: `failover-while-moving-${killed}-${client}`,
      run: (scope: Scope) => onCluster(scope, (cluster) => failoverWhileMoving(scope, cluster, { client, killed })),
    })),
  ),
  ...BOTH.flatMap((client) =>
    (['cluster', 'sentinel'] as const).map((kind) => ({
      name: `master-kill-${kind}-${client}`,
      run: async (_scope: Scope, minutes: number) => {
        const runs = Math.max(1, Math.round(5 * minutes))
        const result = await masterKill({ kind, client, runs, waitForReplicas: true })
        const { lastFailure, requests, failed, longestFailed, logins, logouts } = result
        return {
          done: `${runs} kills of a master under ${requests} requests, ${logins} logins kept and ${logouts} logouts`,
          measured: {
            'last failure after a kill, median': `${lastFailure.median} ms`,
            'at most': `${lastFailure.most} ms`,
            'failed requests': failed,
            'the longest of them': `${Math.round(longestFailed)} ms`,
          },
          violations: violationsOf(result),
        }
      },
    })),
  ),
  ...BOTH.flatMap((client) =>
    Object.entries({ slow: slowNetwork, frozen: frozenNetwork, 'half-open': strandedConnections }).map(
      ([name, network]) => ({
        name: `${name}-${client}`,
        run: (scope: Scope, minutes: number) => network(scope, { client, ms: short(minutes) / 4 }),
      }),
    ),
  ),
  ...Object.keys(CLIENTS).map((client) => ({
    name: `cut-replies-${client.replaceAll(/\W+/g, '-')}`,
    run: (scope: Scope) => cutReplies(scope, { client, step: 1 }),
  })),
]
