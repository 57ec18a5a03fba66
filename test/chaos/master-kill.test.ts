import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { masterKill } from './master-kill.ts'
import { violationsOf } from './master-kill-result.ts'

// What users notice when a master is killed under load. MASTER_KILLS: how often it is, of each kind. In the long form, also
// without waiting for replicas, where what was lost is told and not judged.

const runs = Number(process.env.MASTER_KILLS ?? 1)
/** The aim is 5 s with a detection of one; a machine that is busy with other tests takes longer. */
const WITHIN = 20_000

for (const kind of ['cluster', 'sentinel'] as const) {
  // In the short form, each kind and each client once: the slower of each.
  const slower: 'node-redis' | 'ioredis' = kind === 'cluster' ? 'ioredis' : 'node-redis'
  for (const client of runs === 1 ? [slower] : (['node-redis', 'ioredis'] as const)) {
    for (const waitForReplicas of runs === 1 ? [true] : [true, false]) {
      const where = kind === 'cluster' ? 'a cluster' : 'Sentinels'
      const title = `the kill of a master, on ${where} with ${client}${waitForReplicas ? ', waiting for a replica' : ''}`
      describe(title, { timeout: 60_000 * (1 + runs) }, () => {
        it(waitForReplicas ? 'loses nothing that was acknowledged' : 'loses nothing that comes after it', async (t) => {
          const some = waitForReplicas ? runs : Math.ceil(runs / 5)
          const result = await masterKill({ kind, client, runs: some, waitForReplicas })
          t.diagnostic(JSON.stringify(result))
          const { requests, failed, lastFailure, logins, logouts } = result
          assert.ok(failed > 0 && requests > failed && logins > 0 && logouts > 0, 'it proves nothing')
          assert.ok(lastFailure.most < WITHIN, `${lastFailure.most} ms`)
          // Without waiting, what the replica had not yet is told and not judged.
          const judged = waitForReplicas ? result : { ...result, loginsLost: 0, logoutsUndone: 0 }
          assert.deepEqual(violationsOf(judged), [])
        })
      })
    }
  }
}
