import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { type Sessions, StoreError } from '../../src/index.ts'

/**
 * Increments a field of a session again and again, many times at once, while its connection is killed: each increment counts
 * once, save that of those whose fate is unknown, nobody knows.
 * @param kill kills the connection; awaited before it is called again
 */
export async function assertCountedOnce(
  sessions: Sessions<{ views: number }>,
  token: string,
  kill: () => Promise<unknown>,
): Promise<void> {
  let [done, succeeded, unknown] = [false, 0, 0]
  const storm = (async () => {
    for (let i = 0; i < 12; i++) {
      await kill()
      await pause(20)
    }
    done = true
  })()
  while (!done) {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => sessions.increment(token, 'views')))
    for (const result of results) {
      if (result.status === 'fulfilled') {
        succeeded++
        continue
      }
      assert.ok(result.reason instanceof StoreError, String(result.reason))
      if (result.reason.outcome === 'unknown') unknown++
    }
  }
  await storm
  const views = (await sessions.peek(token))?.data.views ?? 0
  assert.ok(unknown > 0, 'the fate of none was unknown: this proves nothing')
  assert.ok(views >= succeeded && views <= succeeded + unknown, `${succeeded} <= ${views} <= ${succeeded + unknown}`)
}
