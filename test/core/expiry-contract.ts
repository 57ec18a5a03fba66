import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sessions } from '../../src/core/sessions.ts'
import { type Open, onStore } from '../store-contract.ts'
import { type Data, open } from './sessions-contract.ts'

// When sessions end, on every store, to the millisecond. Every instant is by this process's monotonic clock. What is
// asserted holds however slow the machine is: only what was certainly so at one end of a call is compared.

const now = () => performance.now()

/** Watches a session until it is gone, without touching it. */
async function watchEnd(
  sessions: Sessions<Data>,
  token: string,
): Promise<{ lastAliveAfter: number; goneBefore: number }> {
  let lastAliveAfter = 0
  while (true) {
    const sent = now()
    if ((await sessions.peek(token)) === null) return { lastAliveAfter, goneBefore: now() }
    lastAliveAfter = sent
    await pause(2)
  }
}

/** Redis tells whole milliseconds. */
const ROUNDING = 2

export function expiryContract(openStore: Open): void {
  describe('sliding expiry', { concurrency: true }, () => {
    const IDLE = 600

    for (const touchInterval of [0, 60, 250]) {
      onStore(
        openStore,
        `ends a session from ${IDLE - touchInterval} to ${IDLE} ms after its last request, wherever in the interval that came`,
        async ({ store }) => {
          const sessions = open(store, { idleTimeout: IDLE, touchInterval })
          // The last request comes at different times after the last touch; the first one keeps the session alive.
          const phases = Array.from({ length: 9 }, (_, i) => i * 45)
          const least = IDLE - touchInterval
          const attempt = () =>
            Promise.all(
              phases.map(async (phase) => {
                let previous = now()
                const { token } = await sessions.create()
                for (const wait of [least - 80, phase]) {
                  await pause(wait)
                  const before = now()
                  const session = await sessions.load(token)
                  const after = now()
                  // On a machine that was too busy to send it in time, there is nothing to see.
                  if (session === null || after - previous > least) return false
                  previous = before
                  if (wait !== phase) continue
                  const { lastAliveAfter, goneBefore } = await watchEnd(sessions, token)
                  assert.ok(goneBefore - before >= least - ROUNDING, `ended ${goneBefore - before} ms after ${before}`)
                  assert.ok(lastAliveAfter - after <= IDLE + ROUNDING, `alive ${lastAliveAfter - after} ms after`)
                }
                return true
              }),
            )
          for (let attempts = 1; !(await attempt()).includes(true); attempts++) {
            assert.ok(attempts < 10, 'this machine is too busy')
          }
        },
      )
    }

    onStore(openStore, 'keeps a session in use beyond its idle timeout', async ({ store }) => {
      const sessions = open(store, { idleTimeout: 400 })
      let inUse = 0
      // On a machine so busy that a session has rightly ended between two requests: once more.
      for (let attempt = 0; inUse < 1000; attempt++) {
        assert.ok(attempt < 20, 'this machine is too busy')
        const begun = now()
        const { token } = await sessions.create()
        for (let last = begun; inUse < 1000; ) {
          await pause(50)
          const sent = now()
          if ((await sessions.load(token)) === null) {
            assert.ok(now() - last > 350, `ended ${now() - last} ms after the last request`)
            break
          }
          last = sent
          inUse = sent - begun
        }
      }
    })

    onStore(openStore, 'ends a session at its deadline, whatever the activity', async ({ store }) => {
      const sessions = open(store, { idleTimeout: 800, lifetime: 900, touchInterval: 0 })
      const before = now()
      const { token } = await sessions.create()
      const after = now()
      let lastAliveAfter = 0
      for (let i = 0; ; i++) {
        const sent = now()
        const alive = await [
          () => sessions.load(token),
          () => sessions.touch(token),
          () => sessions.increment(token, 'views').catch(() => null),
          () =>
            sessions.setIdleTimeout(token, 800).then(
              () => true,
              () => null,
            ),
        ][i % 4]?.()
        if (!alive) break
        lastAliveAfter = sent
        await pause(5)
      }
      assert.ok(now() - before >= 900 - ROUNDING, 'ended before the deadline')
      assert.ok(lastAliveAfter - after <= 900 + ROUNDING, 'alive after the deadline')
      assert.equal(await sessions.peek(token), null)
    })

    onStore(
      openStore,
      'is not moved by a peek, a find, a look at the time left, a count or a list',
      async ({ store }) => {
        const sessions = open(store, { idleTimeout: 300, touchInterval: 0 })
        const { token, id } = await sessions.create()
        const after = now()
        let lastAliveAfter = 0
        for (let sent = now(); await sessions.peek(token); sent = now()) {
          lastAliveAfter = sent
          await Promise.all([sessions.find(id), sessions.timeToLive(token), sessions.count(), sessions.recent()])
          await pause(20)
        }
        assert.ok(lastAliveAfter - after <= 300 + ROUNDING)
      },
    )

    onStore(openStore, 'tells the instant of the end exactly', async ({ store }) => {
      const sessions = open(store, { idleTimeout: '5m', touchInterval: 0 })
      const { token } = await sessions.create()
      await pause(20)
      const { id, expiresAt, lastAccessedAt } = (await sessions.load(token)) ?? assert.fail()
      assert.equal(expiresAt, lastAccessedAt + 300_000)
      const before = store.now(id) ?? assert.fail()
      const asked = expiresAt - ((await sessions.timeToLive(token)) ?? assert.fail())
      const after = store.now(id) ?? assert.fail()
      // What a process knows of the store's clock may be ahead by the way of an answer.
      assert.ok(asked >= before - 100 && asked <= after + ROUNDING, `${asked} is not from ${before} to ${after}`)
    })
  })
}
