import { createClient } from 'redis'
import { NO_CHANGES } from '../../src/core/commits.ts'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import type { RedisServer } from '../../test/support/redis-server.ts'
import { type Data, nextItem } from '../http/page.ts'
import { redisCpu } from '../redis-usage.ts'
import { worldOf } from './operations.ts'

/** What one operation costs the server, in microseconds a round: ours, and the plain commands that do the same by hand. */
export interface ByHand {
  readonly read: { readonly ours: readonly number[]; readonly plain: readonly number[] }
  readonly commit: { readonly ours: readonly number[]; readonly plain: readonly number[] }
  /** The commands that a read and a commit send. */
  readonly commands: { readonly read: readonly string[]; readonly commit: readonly string[] }
}

const AT_ONCE = 512

/** Both ways on the same hashes over the same client, in turn. */
export async function compareByHand(
  redis: RedisServer,
  plan: { readonly sessions: number; readonly rounds: number; readonly operations: number },
): Promise<ByHand> {
  const admin = await redis.connect()
  await admin.flushAll()
  const client: ReturnType<typeof createClient> = createClient({ url: redis.url })
  await client.connect()
  const { tokens, sessions: making } = await worldOf(client, plan.sessions)
  let sent: readonly string[] = []
  const store = redisStore(client, {
    onCommand: (words) => {
      sent = words
    },
  })
  const sessions = createSessions<Data>({ store, cookie: { secure: false }, storeTimeout: '30s' })
  const states = await Promise.all(tokens.map((token) => sessions.openRequest({}, `sid=${token}`)))
  const { operations } = states[0] ?? never()
  const ids = states.map(({ record }) => record?.id ?? never())
  const at = (n: number) => states[n % states.length] ?? never()

  const load = (n: number) => operations.load(ids[n % ids.length] ?? never())
  const commit = (n: number) => at(n).commit({ ...NO_CHANGES, set: new Map([['lastItem', nextItem()]]) })
  // The first one sends the script whole.
  await commit(0)
  const [read, write] = [await wordsOf(() => load(0)), await wordsOf(() => commit(0))]
  const keys: string[] = []
  for (const n of states.keys()) keys.push((await wordsOf(() => load(n)))[1] ?? never())
  const key = (n: number) => keys[n % keys.length] ?? never()
  const plainRead = (n: number) => client.sendCommand(['HGETALL', key(n)])
  const plainCommit = (n: number) =>
    Promise.all([
      client.sendCommand(['HSET', key(n), 'lastItem', nextItem()]),
      client.sendCommand(['PEXPIRE', key(n), '1800000']),
    ])

  const found = {
    read: { ours: [] as number[], plain: [] as number[] },
    commit: { ours: [] as number[], plain: [] as number[] },
  }
  for (let round = 0; round < plan.rounds; round++) {
    found.read.ours.push(await cost(load))
    found.read.plain.push(await cost(plainRead))
    found.commit.ours.push(await cost(commit))
    found.commit.plain.push(await cost(plainCommit))
  }
  await Promise.all([sessions.close(), making.close()])
  client.destroy()
  return { ...found, commands: { read, commit: write } }

  async function wordsOf(run: () => Promise<unknown>): Promise<readonly string[]> {
    await run()
    return sent
  }

  async function cost(run: (n: number) => Promise<unknown>): Promise<number> {
    const before = await redisCpu(admin)
    for (let n = 0; n < plan.operations; n += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => run(n + i)))
    }
    return ((await redisCpu(admin)) - before) / (Math.ceil(plan.operations / AT_ONCE) * AT_ONCE)
  }
}

function never(): never {
  throw new Error('The run is void: a session has ended.')
}
