import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Sessions } from '../../src/core/sessions.ts'
import { redisStore } from '../../src/redis.ts'
import { type Data, open } from '../core/sessions-contract.ts'
import { assertConsistent } from './consistency.ts'
import { newPrefix, useRedis } from './support.ts'

// A network, a proxy or a client that resends may deliver a command twice. Increments apart, that changes nothing.

describe('a command that is delivered twice', () => {
  const redis = useRedis()

  const COMMANDS: Record<string, (sessions: Sessions<Data>, token: string) => Promise<unknown>> = {
    'begins one session': (sessions) => sessions.create({ name: 'Grace' }, { userId: 'ada' }),
    'sets, removes and replaces the same': (sessions, token) => sessions.set(token, { list: [1] }),
    'sets the same as a plain write': async (sessions, token) => {
      const request = {}
      await sessions.openRequest(request, `__Host-sid=${token}`)
      sessions.of(request).data.name = 'Grace'
      await sessions.of(request).commit()
    },
    'updates a field once': (sessions, token) => sessions.update(token, 'list', (list = []) => [...list, 1]),
    'changes the idle timeout to the same': (sessions, token) => sessions.setIdleTimeout(token, '5m'),
    'rotates once': (sessions, token) => sessions.rotate(token),
    'ends one session': (sessions, token) => sessions.destroy(token),
  }
  for (const [what, run] of Object.entries(COMMANDS)) {
    it(what, async () => {
      const prefix = newPrefix()
      let last: readonly string[] = []
      const store = redisStore(redis.client, { prefix, onCommand: (words) => (last = words) })
      const sessions = open(store)
      const { token } = await sessions.create({ name: 'Ada', list: [] }, { userId: 'ada' })
      await sessions.create({}, { userId: 'ada' })
      await run(sessions, token)
      const before = await state(prefix)
      await redis.client.sendCommand(last)
      assert.deepEqual(await state(prefix), before)
      await assertConsistent(redis.client, prefix)
    })
  }

  /** All that is stored under a prefix, save the instants, which the second delivery moves on. */
  async function state(prefix: string): Promise<Record<string, unknown>> {
    const all: Record<string, unknown> = {}
    for (const key of (await redis.client.keys(`${prefix}*`)).sort()) {
      if ((await redis.client.type(key)) === 'zset') {
        all[key] = (await redis.client.zRange(key, 0, -1)).sort()
      } else {
        const { last_accessed_at: _, ...fields } = await redis.client.hGetAll(key)
        all[key] = fields
      }
    }
    return all
  }
})
