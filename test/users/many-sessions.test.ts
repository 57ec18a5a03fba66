import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { redisStore } from '../../src/redis.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { inParallel } from '../support/http.ts'
import { assertEveryKeyExpires, type RedisClient } from '../support/redis-server.ts'
import { Browser, open } from './support.ts'

const SESSIONS = Number(process.env.USER_SESSIONS ?? 20_000)
/** For so many milliseconds at most may Redis answer nobody else. */
const BLOCKED = 20
/** A script on a thousand sessions has each of them as a key and as an argument. */
const LARGEST = 2100

describe('a user with very many sessions', { timeout: 280_000 }, () => {
  // What took longer than half a millisecond is in the log.
  const redis = useRedis({ args: ['--slowlog-log-slower-than', '500', '--slowlog-max-len', '100000'] })

  it('is logged out everywhere without holding up Redis, and nothing is left', async (t) => {
    const { client } = redis
    const prefix = newPrefix()
    const sessions = open(redisStore(client, { prefix }), { maxPerUser: SESSIONS + 1 })
    await inParallel(SESSIONS, 300, async () => void (await sessions.create({}, { userId: 'ada' })))
    const others = await Promise.all(['grace', 'alan'].map((userId) => sessions.create({}, { userId })))

    await client.sendCommand(['SLOWLOG', 'RESET'])
    const before = await cpuTime(client)
    const browser = new Browser(sessions)
    await browser.request((session) => session.login('ada'))
    const ended = await sessions.user('ada').revokeAll()
    const [used, log] = [(await cpuTime(client)) - before, await slowLog(client)]

    assert.equal(ended, SESSIONS + 1)
    for (const { words } of log) assert.ok(words <= LARGEST, `a command of ${words} words`)
    const chunks = log.filter(({ words }) => words > LARGEST / 2)
    assert.ok(chunks.length >= SESSIONS / 1000 - 1, `the log has only ${chunks.length} large commands`)
    // All of these do the same. Processor time: on a busy machine Redis waits for the processor in between, which is not its fault.
    const step = used / chunks.length
    t.diagnostic(`${step} ms a step, and ${Math.min(...chunks.map(({ ms }) => ms))} ms by the clock at best`)
    assert.ok(step < BLOCKED, `a step takes ${step} ms`)

    assert.deepEqual(await sessions.user('ada').list(), [])
    assert.equal(await sessions.load(browser.token as string), null)
    assert.equal(await sessions.count(), others.length)
    for (const { token } of others) assert.ok(await sessions.load(token))
    await assertEveryKeyExpires(client)
    await assertConsistent(client, prefix)
  })
})

/** What Redis itself has measured, as far as it took long: of how many words a command was, and how long it took. */
async function slowLog(client: RedisClient): Promise<{ words: number; ms: number }[]> {
  const log = (await client.sendCommand(['SLOWLOG', 'GET', '-1'])) as unknown as [number, number, number, string[]][]
  return log.map(([, , micros, words]) => {
    const more = /^\.\.\. \((\d+) more arguments\)$/.exec(words.at(-1) ?? '')?.[1]
    return { words: words.length - (more === undefined ? 0 : 1) + Number(more ?? 0), ms: micros / 1000 }
  })
}

/** How many milliseconds of processor time Redis has used for commands. */
async function cpuTime(client: RedisClient): Promise<number> {
  const times = [...(await client.info('cpu')).matchAll(/^used_cpu_\w+_main_thread:([\d.]+)/gm)]
  assert.equal(times.length, 2)
  return times.reduce((sum, [, seconds]) => sum + Number(seconds) * 1000, 0)
}
