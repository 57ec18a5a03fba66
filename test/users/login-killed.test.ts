import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SessionEndedError, type Sessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { startChild } from '../fire/child.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { keysOf, newPrefix, useRedis } from '../redis/support.ts'
import { inParallel, type Scope } from '../support/http.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { anonymous, type Data, open } from './support.ts'

/** How many processes are killed. */
const KILLS = Number(process.env.LOGIN_KILLS ?? 30)
const PROGRAM = fileURLToPath(new URL('./login-process.ts', import.meta.url))

describe('a process that is killed while it logs somebody in', { timeout: 60_000 + KILLS * 4000 }, () => {
  const redis = useRedis()

  it('loses no acknowledged write, and leaves no session of the user that anybody has a token of', async (t) => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }))
    // So far away that the steps of a login take long enough to be killed between them.
    const proxy = await startProxy(redis.server.port, { delayMs: 4 })
    t.after(() => proxy.stop())
    const env = { LOGIN: JSON.stringify({ url: `redis://127.0.0.1:${proxy.port}`, prefix }) }
    const tally: Record<string, number> = {}
    await inParallel(KILLS, 3, async (i) => {
      const outcome = await killOne(t, env, sessions, `user ${i}`, async (id) =>
        Boolean(await redis.client.hExists(keysOf(prefix, id).session, '_sealed_by')),
      )
      tally[outcome] = (tally[outcome] ?? 0) + 1
    })
    t.diagnostic(JSON.stringify(tally))
    assert.ok((tally['while sealed'] ?? 0) > KILLS / 10, 'few were killed in the middle: this proves nothing')
    await assertConsistent(redis.client, prefix)
    await assertEveryKeyExpires(redis.client)
  })
})

/** Kills one process at a random moment of a login. @returns when that was */
async function killOne(
  scope: Scope,
  env: Record<string, string>,
  sessions: Sessions<Data>,
  userId: string,
  isSealed: (id: string) => Promise<boolean>,
): Promise<string> {
  const child = startChild(scope, PROGRAM, { env })
  await child.ready
  // Twice: the first time everything takes longer.
  let usual = 0
  for (let i = 0; i < 2; i++) {
    const other = await anonymous(sessions)
    const asked = performance.now()
    await child.ask('login', other.token, `${userId}, another`)
    usual = performance.now() - asked
  }

  const { token } = await anonymous(sessions)
  const { id } = (await sessions.load(token as string)) ?? assert.fail()
  const writer = new Writer(sessions, token as string)
  const writing = writer.run()
  const login: Promise<string | null> = child.ask('login', token, userId).catch(() => null)
  await pause(Math.random() * 1.2 * usual)
  await child.stop()
  const sealed = await isSealed(id)
  const answered = await login
  // What waits for the seal is acknowledged when it has lapsed.
  writer.stop()
  await writing

  const old = await sessions.load(token as string)
  const own = await sessions.user(userId).list()
  assert.ok(own.length <= 1)
  assert.equal(old?.userId ?? null, null, 'the old token leads to the session of the user')
  assert.deepEqual(old?.roles ?? [], [])
  if (old !== null) {
    assert.equal(answered, null, 'the old token lives after the login')
    assert.deepEqual(old.data, { name: 'Ada', ...writer.acknowledged })
    return sealed ? 'while sealed' : 'before'
  }
  const found = (await sessions.find(own[0]?.id ?? '')) ?? assert.fail('there is neither session')
  assert.deepEqual([found.userId, found.data], [userId, { name: 'Ada', ...writer.acknowledged }])
  if (answered === null) return 'before the answer'
  assert.equal((await sessions.load(answered))?.id, found.id)
  return 'after'
}

/** Other requests of the same visitor, which write one field after the other until they are told to stop or that it has ended. */
class Writer {
  readonly #sessions: Sessions<Data>
  readonly #token: string
  readonly acknowledged: Partial<Data> = {}
  #running = true
  #fields = 0

  constructor(sessions: Sessions<Data>, token: string) {
    this.#sessions = sessions
    this.#token = token
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: 3 }, () => this.#write()))
  }

  stop(): void {
    this.#running = false
  }

  async #write(): Promise<void> {
    while (this.#running) {
      const n = this.#fields++
      const field = `field${n}` as const
      try {
        await this.#sessions.update(this.#token, field, () => n)
      } catch (error) {
        assert.ok(error instanceof SessionEndedError, String(error))
        return
      }
      this.acknowledged[field] = n
      await pause(1)
    }
  }
}
