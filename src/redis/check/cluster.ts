import type { Finding } from '../../core/check.ts'
import type { Facts } from './look.ts'

const SLOTS = 16_384

/** @param isRouted whether the client sends each command to the server that holds its key */
export function clusterFindings({ info, config, cluster }: Facts, isRouted: boolean): Finding[] {
  if (info?.get('cluster_enabled') !== '1') return []
  const findings: Finding[] = []
  if (!isRouted) {
    findings.push({
      code: 'CLUSTER_CLIENT',
      level: 'error',
      message:
        'This server is one of a cluster, and the client is one of a single server: it is refused whatever is kept elsewhere. ' +
        'Give redisStore a cluster client, such as createCluster(…) of node-redis or new Cluster(…) of ioredis.',
    })
  }
  const [state, ok] = [cluster?.get('cluster_state'), Number(cluster?.get('cluster_slots_ok') ?? SLOTS)]
  if ((state !== undefined && state !== 'ok') || ok < SLOTS) {
    findings.push({
      code: 'CLUSTER_STATE',
      level: 'error',
      message: `The cluster is not whole (state ${state}, ${ok} of ${SLOTS} slots served): sessions in the other slots cannot be reached. See redis-cli --cluster check.`,
    })
  }
  if (config?.get('cluster-require-full-coverage') === 'yes') {
    findings.push({
      code: 'CLUSTER_COVERAGE',
      level: 'warning',
      message:
        'With cluster-require-full-coverage yes the whole cluster refuses to serve when one of its masters is away. Set it to no: ' +
        'then the sessions on the others go on.',
    })
  }
  if (info.get('role') === 'master' && info.get('connected_slaves') === '0') {
    findings.push({
      code: 'CLUSTER_REPLICA',
      level: 'warning',
      message:
        'This master has no replica: when it fails, its sessions cannot be reached until it is back. Give it one.',
    })
  }
  return findings
}
