import type { Finding } from '../../core/check.ts'
import type { Facts } from './look.ts'

/** Whether this is a server that can do what is asked of it: new enough, and a master. */
export function roleFindings({ info, rights }: Facts): Finding[] {
  const findings: Finding[] = []
  if (rights?.isTooOld) {
    const version = info?.get('redis_version')
    findings.push({
      code: 'VERSION',
      level: 'error',
      message: `This Redis is too old${version === undefined ? '' : ` (${version})`}: sessions need Redis 7.0 or newer, or Valkey 7.2 or newer.`,
    })
  }
  if (info?.get('role') === 'slave') {
    findings.push({
      code: 'REPLICA',
      level: 'error',
      message:
        'This server is a replica: it is behind, and takes no writes. Connect to its master ' +
        `(${info.get('master_host')}:${info.get('master_port')}), or to Sentinels or a cluster by a client that finds the master.`,
    })
  }
  return findings
}
