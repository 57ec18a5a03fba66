import type { Finding } from '../../core/check.ts'
import type { Facts } from './look.ts'

/** From this part of `maxmemory` on, it is said that memory runs short. */
const NEARLY = 0.9

/** What happens when memory runs short, and whether it does. */
export function memoryFindings({ info }: Facts): Finding[] {
  const policy = info?.get('maxmemory_policy')
  if (info == null || policy === undefined) return []
  const [most, used] = [Number(info.get('maxmemory')), Number(info.get('used_memory'))]
  const findings: Finding[] = []
  if (policy !== 'noeviction') findings.push(eviction(policy, most > 0))
  if (most === 0) {
    findings.push({
      code: 'MAXMEMORY',
      level: 'warning',
      message:
        'Redis has no limit of memory: when there is none left, the operating system ends it, and all sessions fail at once. ' +
        'Set maxmemory to what it may take, with room for snapshots: then only writes are refused, and logouts go on.',
    })
  } else if (used >= most * NEARLY) {
    const isFull = used >= most
    findings.push({
      code: 'MEMORY',
      level: isFull ? 'error' : 'warning',
      message: `Redis uses ${Math.floor((100 * used) / most)} % of its maxmemory${isFull ? ', and refuses writes' : ''}. Raise maxmemory, or move what else is kept there.`,
    })
  }
  return findings
}

/** @param hasLimit without one, nothing is ever evicted */
function eviction(policy: string, hasLimit: boolean): Finding {
  return {
    code: 'EVICTION',
    level: hasLimit ? 'error' : 'warning',
    message: `${evictionWarning(policy)}${hasLimit ? '' : ' It does so only once there is a maxmemory.'}`,
  }
}

/** Eviction takes index entries out one by one: then a user's list and "log out everywhere" miss sessions. */
export function evictionWarning(policy: string): string {
  return `Redis has maxmemory-policy ${policy}: under memory pressure it drops sessions and index entries. Set it to noeviction.`
}
