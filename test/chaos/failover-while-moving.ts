import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type Sessions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { CLUSTER_CLIENTS } from '../redis/many-clients.ts'
import { newPrefix } from '../redis/support.ts'
import type { Scope } from '../support/http.ts'
import { redisCli } from '../support/redis-cli.ts'
import type { ClusterNode, RedisCluster } from '../support/redis-cluster.ts'
import { slotOf } from '../support/slots.ts'
import type { ChaosApp } from './apps.ts'
import type { Result } from './under-load.ts'

/** Which of the two servers dies while a slot is on its way from one to the other. */
export type Killed = 'source' | 'target'

interface Seen {
  there: number
  none: number
  failed: number
}

const SESSIONS = 20
const MOVED = 10
const USER = 'ada'

/**
 * A master is killed in the middle of a move, when half of a user's sessions have been moved, and its replica takes over: up to
 * Redis 8 and Valkey 7.2, replicas know nothing of moves; with newer ones, nothing is missed. `redis-cli --cluster fix` ends what is
 * left.
 */
export async function failoverWhileMoving(
  scope: Scope,
  cluster: RedisCluster,
  { client, killed }: { client: ChaosApp['client']; killed: Killed },
): Promise<Result> {
  const made = CLUSTER_CLIENTS[`${client} 6`]?.(urlsOf(cluster)) ?? fail(`There is no client ${client}`)
  scope.after(async () => {
    // A client that is destroyed while it looks for its servers goes on with those that it finds.
    await pause(300)
    await made.destroy()
  })
  await made.connect()
  const prefix = newPrefix()
  const sessions = createSessions<{ n: number }>({ store: redisStore(made.client, { prefix }), storeTimeout: 1000 })
  const created = await inTurn(SESSIONS, (n) => sessions.create({ n }, { userId: USER }))
  const tokens = created.map(({ token }) => token)
  const keys = created.map(({ id }) => `${prefix}{${id.slice(0, 2)}}:${id.slice(2)}`)

  // A replica that has not heard yet that its master got a slot would not have it when it takes over.
  await cluster.agree()
  const { from, to, slot } = await serversFor(cluster, created[0]?.id ?? '', killed)
  const move = cluster.move(slot, from, to)
  await move.begin()
  await move.keys(keys.slice(0, MOVED))
  const dead = killed === 'source' ? from : to
  const replica = (await replicaOf(cluster, dead)) ?? fail('It has no replica')
  // Not by WAIT: that waits for what its own connection has written, and the keys have come over another one.
  while ((await keysIn(slot, replica)) !== (await keysIn(slot, dead))) await pause(5)
  process.kill(dead.server.pid, 'SIGKILL')
  while (dead.client.isReady) await pause(5)
  await cluster.takeOver(replica)

  const knowsOfMove = String(await replica.client.sendCommand(['CLUSTER', 'NODES'])).includes(`[${slot}-`)
  const before = await settledLook(sessions, tokens, killed)
  const fixedIn = await fix(replica)
  const after = await settledLook(sessions, tokens, null)
  // Each is entered in its user's index again with its next touch.
  await Promise.all(tokens.map((token) => sessions.touch(token)))
  const listed = (await sessions.user(USER).list()).length
  const ended = await sessions.user(USER).revokeAll()
  const left = await look(sessions, tokens)
  const unseen = killed === 'source' ? { none: MOVED, failed: 0 } : { none: 0, failed: MOVED }
  const expected = knowsOfMove ? { there: SESSIONS, none: 0, failed: 0 } : { there: SESSIONS - MOVED, ...unseen }
  return {
    done: `${client}: the ${killed} of a slot with ${SESSIONS} sessions is killed when ${MOVED} have been moved`,
    measured: { 'until the fix': said(before), 'redis-cli --cluster fix': `${fixedIn} ms`, 'after it': said(after) },
    violations: [
      ...differs('until the fix', before, expected),
      ...differs('after the fix', after, { there: SESSIONS, none: 0, failed: 0 }),
      ...(listed === SESSIONS && ended === SESSIONS
        ? []
        : [`${listed} are listed and ${ended} revoked, of ${SESSIONS}`]),
      ...differs('after all were revoked', left, { there: 0, none: SESSIONS, failed: 0 }),
    ],
  }
}

/** A master that has a replica, so that somebody can take over from it, and another one. */
async function serversFor(cluster: RedisCluster, id: string, killed: Killed) {
  const slot = slotOf(id.slice(0, 2))
  const from = await cluster.masterOf(slot)
  for (const to of await cluster.masters()) {
    if (to === from) continue
    if (await replicaOf(cluster, killed === 'source' ? from : to)) return { from, to, slot }
  }
  return fail('no master of these has a replica')
}

async function keysIn(slot: number, { client }: ClusterNode): Promise<number> {
  return Number(await client.sendCommand(['CLUSTER', 'COUNTKEYSINSLOT', `${slot}`]))
}

async function replicaOf({ nodes }: RedisCluster, { server }: ClusterNode): Promise<ClusterNode | undefined> {
  for (const node of nodes) {
    const info = node.client.isReady ? await node.client.info('replication') : ''
    if (info.includes('role:slave') && info.includes(`master_port:${server.port}`)) return node
  }
  return undefined
}

/** What is seen once the client has found the new master. */
async function settledLook(sessions: Sessions<{ n: number }>, tokens: readonly string[], killed: Killed | null) {
  const until = performance.now() + 10_000
  while (true) {
    const seen = await look(sessions, tokens)
    if (seen.failed === (killed === 'target' ? MOVED : 0) || performance.now() > until) return seen
    await pause(50)
  }
}

async function look(sessions: Sessions<{ n: number }>, tokens: readonly string[]): Promise<Seen> {
  const seen = { there: 0, none: 0, failed: 0 }
  await Promise.all(
    tokens.map(async (token, n) => {
      try {
        const session = await sessions.peek(token)
        if (session === null) seen.none++
        else if (session.data.n === n) seen.there++
      } catch (error) {
        // Nothing was done, and it is said so.
        if (error instanceof StoreError && error.outcome === 'none') seen.failed++
      }
    }),
  )
  return seen
}

/** As an operator does it. That a dead master cannot be reached is known. */
async function fix({ server }: ClusterNode): Promise<number> {
  const [address, began] = [`127.0.0.1:${server.port}`, performance.now()]
  const { ok, output } = await redisCli(
    '--cluster',
    'fix',
    address,
    '--cluster-yes',
    '--cluster-fix-with-unreachable-masters',
  )
  return ok ? Math.round(performance.now() - began) : fail(output)
}

function differs(when: string, seen: Seen, expected: Seen): string[] {
  return said(seen) === said(expected) ? [] : [`${when}: ${said(seen)}, not ${said(expected)}`]
}

function said({ there, none, failed }: Seen): string {
  return `${there} there, ${none} read as none, ${failed} answered 503`
}

async function inTurn<T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> {
  const made: T[] = []
  for (let n = 0; n < count; n++) made.push(await make(n))
  return made
}

function urlsOf({ nodes }: RedisCluster): string[] {
  return nodes.filter(({ client }) => client.isReady).map(({ server }) => server.url)
}

function fail(message: string): never {
  throw new Error(message)
}
