/**
 * What `waitForReplicas: 1` costs, on one master with a replica on the same machine: the time of a login, alone and with 64 at once,
 * without and with it, in turns. `node scripts/wait-cost.ts` prints a table in Markdown.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type Sessions } from '../src/index.ts'
import { redisStore } from '../src/redis.ts'
import { CLIENTS } from '../test/redis/clients.ts'
import { startRedis } from '../test/support/redis-server.ts'

const ROUNDS = 10
const ALONE = 200
const AT_ONCE = 64
const TOGETHER = 2000

const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] })
const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] })
const observer = await master.connect()
while (!(await observer.info('replication')).includes('state=online')) await pause(20)

const login = async (sessions: Sessions, n: number) => {
  const started = performance.now()
  await sessions.create({}, { userId: `user ${n}` })
  return performance.now() - started
}

console.log(
  '| client | `waitForReplicas` | one after the other, median | 64 at once, median | logins/s | `WAIT`s for each |',
)
console.log('|---|---|---|---|---|---|')
for (const name of ['node-redis 6', 'ioredis 6']) {
  const client = CLIENTS[name]?.(master.url)
  if (client === undefined) throw new Error(name)
  await client.connect()
  const sides = [0, 1].map((waitForReplicas) => {
    const side = { waitForReplicas, alone: [] as number[], together: [] as number[], seconds: 0, waits: 0 }
    const onCommand = ([word]: readonly string[]) => {
      if (word === 'WAIT') side.waits++
    }
    const store = redisStore(client.client, { prefix: `${name}${waitForReplicas}:`, waitForReplicas, onCommand })
    return { side, sessions: createSessions({ store, storeTimeout: '1m' }) }
  })
  for (let round = 0; round < ROUNDS; round++) {
    for (const { side, sessions } of sides) {
      for (let n = 0; n < ALONE; n++) side.alone.push(await login(sessions, n))
      const started = performance.now()
      let next = 0
      const lives = Array.from({ length: AT_ONCE }, async () => {
        while (next < TOGETHER) side.together.push(await login(sessions, next++))
      })
      await Promise.all(lives)
      side.seconds += (performance.now() - started) / 1000
    }
  }
  for (const { side, sessions } of sides) {
    const median = (list: number[]) => `${(list.sort((a, b) => a - b)[list.length >> 1] ?? 0).toFixed(2)} ms`
    const perSecond = Math.round(side.together.length / side.seconds)
    const each = (side.waits / (side.alone.length + side.together.length)).toFixed(2)
    const cells = [name, side.waitForReplicas, median(side.alone), median(side.together), perSecond, each]
    console.log(`| ${cells.join(' | ')} |`)
    await sessions.close()
  }
  client.destroy()
}
await replica.stop()
await master.stop()
