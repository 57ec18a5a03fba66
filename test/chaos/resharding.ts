import { setTimeout as pause } from 'node:timers/promises'
import { tags } from '../../src/core/tags.ts'
import type { Scope } from '../support/http.ts'
import { redisCli } from '../support/redis-cli.ts'
import type { ClusterNode, RedisCluster } from '../support/redis-cluster.ts'
import { slotOf } from '../support/slots.ts'
import type { ChaosApp } from './apps.ts'
import type { Done } from './history.ts'
import { type Result, summaryOf, underLoad } from './under-load.ts'

export interface ReshardingOptions {
  readonly client: ChaosApp['client']
  readonly ms: number
  /** Whether `redis-cli` moves the slots, a third of a master's at a time; or else single slots go, key by key. */
  readonly byRedisCli: boolean
}

/** So long after the last slot has come to rest, in ms, every request is served again. */
const SETTLES = 300
const AFTERWARDS = 1000

/** Slots go to and fro between the masters of a cluster while everybody does everything. */
export async function resharding(scope: Scope, cluster: RedisCluster, options: ReshardingOptions): Promise<Result> {
  const { client, ms, byRedisCli } = options
  const moved = { slots: 0, keys: 0 }
  let settled = Number.POSITIVE_INFINITY
  const urls = cluster.nodes.filter((node) => node.client.isReady).map(({ server }) => server.url)
  const { violations, history } = await underLoad(scope, {
    app: { where: 'cluster', client, urls },
    masters: async () => (await cluster.masters()).map((node) => node.client),
    patience: 4000,
    rest: 100,
    // A key that is moved takes with it how long it has to live, not until when.
    drift: 500,
    async chaos() {
      const until = performance.now() + ms
      while (performance.now() < until) await (byRedisCli ? moveMany(cluster, moved) : moveOne(cluster, moved))
      settled = performance.now() + SETTLES
      await pause(SETTLES + AFTERWARDS)
    },
  })
  return {
    done: `${client}: ${moved.slots} slots${byRedisCli ? ' by redis-cli --cluster reshard' : ` with ${moved.keys} keys, a few at a time`}, in ${Math.round(ms / 1000)} s`,
    measured: summaryOf(history),
    violations: [...violations, ...history.flatMap((done) => unsettled(done, settled))],
  }
}

function unsettled({ op, begin, status, answer }: Done, settled: number): string[] {
  return begin > settled && (status === null || status === 503)
    ? [`${op} was answered ${status} ${answer.error} although all slots had settled`]
    : []
}

/** A slot of which there are keys, if the load has begun any there: those of users come up most. */
async function moveOne(cluster: RedisCluster, moved: { slots: number; keys: number }): Promise<void> {
  const masters = await cluster.masters()
  const key = await pick(masters).client.randomKey()
  const slot = slotOf(/\{(\w\w)\}/.exec(String(key))?.[1] ?? pick(tags))
  const from = await cluster.masterOf(slot)
  const to = pick(masters.filter((node) => node !== from))
  const move = cluster.move(slot, from, to)
  await move.begin()
  while (true) {
    const some = await from.client.clusterGetKeysInSlot(slot, 3)
    if (some.length === 0) break
    await move.keys(some)
    moved.keys += some.length
    await pause(Math.random() * 10)
  }
  await move.end()
  // Before a slot goes to somebody else: of two moves at once, servers that hear of them late may take the older for the newer,
  // and a master drops the keys of a slot that it believes it has lost.
  await cluster.agree()
  moved.slots++
}

async function moveMany(cluster: RedisCluster, moved: { slots: number }): Promise<void> {
  const masters = await cluster.masters()
  const from = pick(masters)
  const to = pick(masters.filter((node) => node !== from))
  const slots = 300
  const address = `127.0.0.1:${from.server.port}`
  const way = ['--cluster-from', from.id, '--cluster-to', to.id, '--cluster-slots', `${slots}`]
  const { ok, output } = await redisCli('--cluster', 'reshard', address, ...way, '--cluster-yes')
  // One that has too few left gives none.
  if (!ok && !/not enough|slots/i.test(output)) throw new Error(output)
  if (ok) moved.slots += slots
  await settledFor(masters)
}

/** Waits until all masters agree who has which slot: `redis-cli` refuses to go on before that. */
async function settledFor(masters: readonly ClusterNode[]): Promise<void> {
  while (true) {
    const { ok } = await redisCli('--cluster', 'check', `127.0.0.1:${masters[0]?.server.port}`)
    if (ok) return
    await pause(100)
  }
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}
