import { setTimeout as pause } from 'node:timers/promises'
import type { Finding } from '../../core/check.ts'
import { giveUp, withDeadline } from '../../core/deadline.ts'
import type { StoreError } from '../../core/errors.ts'
import type { StoreCall } from '../../core/store.ts'
import type { Master, RedisConnection } from '../clients/connection.ts'
import type { Keys } from '../keys.ts'
import { clusterFindings } from './cluster.ts'
import { hashFindings } from './hashes.ts'
import { look } from './look.ts'
import { memoryFindings } from './memory.ts'
import { persistenceFindings } from './persistence.ts'
import { rightsFindings } from './rights.ts'
import { roleFindings } from './role.ts'
import { whyAway } from './why-away.ts'

/** Milliseconds until it is looked again whether a server is connected. */
const LOOK_AGAIN = 20

/**
 * What is wrong with this Redis for sessions, errors first. Changes nothing.
 * @param timeout each server answers within this many milliseconds
 * @throws StoreError when none answers
 */
export async function check(connection: RedisConnection, keys: Keys, timeout: number): Promise<Finding[]> {
  const unanswered = (error: unknown) => whyAway(error, connection.trouble())
  const masters = await withDeadline(timeout, 'check', (call) => knownMasters(connection, call)).catch((error) => {
    throw unanswered(error)
  })
  const results = await Promise.allSettled(
    masters.map(({ server }) => withDeadline(timeout, 'check', (call) => findingsOf(server, masters, keys, call))),
  )
  const findings = results.map((result, i) => {
    const found = result.status === 'fulfilled' ? result.value : [unreachable(unanswered(result.reason))]
    const server = masters[i]?.address
    return found.map((finding) => (server === undefined ? finding : { ...finding, server }))
  })
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined && results.every(({ status }) => status === 'rejected')) throw unanswered(failed.reason)
  return together(findings.flat()).sort((a, b) => Number(a.level === 'warning') - Number(b.level === 'warning'))
}

/** A client of a cluster may have to find out first. */
async function knownMasters(connection: RedisConnection, call: StoreCall): Promise<readonly Master[]> {
  for (;;) {
    const masters = connection.masters()
    if (masters.length > 0) return masters
    await pause(LOOK_AGAIN)
    if (call.expired) giveUp(call)
  }
}

async function findingsOf(
  server: Master['server'],
  masters: readonly Master[],
  keys: Keys,
  call: StoreCall,
): Promise<Finding[]> {
  let connected = server()
  while (connected === null) {
    await pause(LOOK_AGAIN)
    if (call.expired) giveUp(call)
    connected = server()
  }
  const facts = await look(connected, keys, call)
  return [
    ...(facts.rights === null ? [] : rightsFindings(facts.rights, facts.info?.get('cluster_enabled') === '1')),
    ...roleFindings(facts),
    ...clusterFindings(facts, isRouted(masters)),
    ...memoryFindings(facts),
    ...persistenceFindings(facts),
    ...(await hashFindings(connected, keys, facts, call)),
  ]
}

/** Only the client of a cluster tells the servers apart. */
function isRouted(masters: readonly Master[]): boolean {
  return masters.some(({ address }) => address !== undefined)
}

function unreachable({ message }: StoreError): Finding {
  return { code: 'UNREACHABLE', level: 'error', message: `${message} Its sessions cannot be reached.` }
}

/** What is so of several servers is said once. */
function together(findings: readonly Finding[]): Finding[] {
  const known = new Map<string, Finding>()
  for (const finding of findings) {
    const said = known.get(finding.message)
    known.set(finding.message, said === undefined ? finding : { ...said, server: `${said.server}, ${finding.server}` })
  }
  return [...known.values()]
}
