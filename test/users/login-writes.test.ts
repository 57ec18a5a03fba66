import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { SessionEndedError, type SessionStore, UserLimitError } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { inParallel } from '../support/http.ts'
import { anonymous, Browser, type Data, distant, open } from './support.ts'

const WRITES = 2000
/** Requests of one visitor at a time. */
const WIDTH = 20

describe('a login while other requests write to the session', { timeout: 120_000 }, () => {
  const redis = useRedis()

  /** As two processes see the same sessions. */
  async function onRedis(): Promise<Opened> {
    const prefix = newPrefix()
    const clients = await Promise.all([redis.server.connect(), redis.server.connect()])
    const [one, other] = clients.map((client) => redisStore(client, { prefix })) as [SessionStore, SessionStore]
    return { one, other, check: () => assertConsistent(redis.client, prefix) }
  }
  async function inMemory(): Promise<Opened> {
    const store = memoryStore()
    return { one: distant(2, store), other: distant(2, store), check: async () => undefined }
  }

  for (const [where, opened] of [
    ['Redis', onRedis],
    ['memory', inMemory],
  ] as const) {
    describe(`on ${where}`, () => {
      for (const succeeds of [true, false]) {
        it(`loses none that was acknowledged when it ${succeeds ? 'succeeds' : 'fails'}`, async (t) => {
          await writeDuringLogins(t, await opened(), succeeds)
        })
      }
    })
  }
})

interface Opened {
  readonly one: SessionStore
  readonly other: SessionStore
  check(): Promise<void>
}

async function writeDuringLogins(t: { diagnostic(text: string): void }, opened: Opened, succeeds: boolean) {
  const limit = { maxPerUser: succeeds ? 100_000 : { limit: 1, whenFull: 'refuse' as const } }
  const [near, far] = [open(opened.one, limit), open(opened.other, limit)]
  await near.create({}, { userId: 'ada' })
  let [acknowledged, ended, logins] = [0, 0, 0]
  while (acknowledged < WRITES) {
    const browser = await anonymous(near, { name: 'Ada' })
    const token = browser.token as string
    const written: Partial<Data> = {}
    let increments = 0
    const login = async () => {
      await pause(Math.random() * 15)
      await browser.request((session) => session.login('ada'))
    }
    const loggingIn = login().then(
      () => 'done',
      (error: unknown) => error,
    )
    await inParallel(100, WIDTH, async (i) => {
      const field = `field${i}` as const
      const other = new Browser(far, token)
      try {
        // In each of the ways to write.
        if (i % 4 === 0) await far.increment(token, 'views')
        else if (i % 4 === 1) await far.update(token, field, () => i)
        else {
          await other.request((session) => {
            // Whoever finds no session any more would begin one.
            if (session.ended) throw new SessionEndedError()
            session.data[field] = i
          })
        }
        if (i % 4 === 0) increments++
        else written[field] = i
        acknowledged++
      } catch (error) {
        assert.ok(error instanceof SessionEndedError, String(error))
        ended++
      }
    })
    const outcome = await loggingIn
    logins++
    const found = (await near.load(browser.token as string)) ?? assert.fail('there is no session')
    assert.deepEqual(found.data, { name: 'Ada', ...written, ...(increments > 0 && { views: increments }) })
    if (succeeds) {
      assert.deepEqual([outcome, found.userId], ['done', 'ada'])
      assert.equal(await near.load(token), null)
    } else {
      assert.ok(outcome instanceof UserLimitError, String(outcome))
      assert.deepEqual([browser.token, found.userId], [token, null])
    }
  }
  t.diagnostic(`${acknowledged} acknowledged, ${ended} told that the session has ended, ${logins} logins`)
  if (succeeds) assert.ok(ended > 100, 'few came while there was no session any more: this proves nothing')
  else assert.equal(ended, 0)
  await opened.check()
}
