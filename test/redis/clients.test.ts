import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createSessions } from '../../src/index.ts'
import { connectionOf } from '../../src/redis/clients/clients.ts'
import { isReply, storeError } from '../../src/redis/errors.ts'
import { toMap } from '../../src/redis/runner.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { open } from '../core/sessions-contract.ts'
import { startChild } from '../fire/child.ts'
import { call } from '../store-contract.ts'
import { CLIENTS } from './clients.ts'
import { monitor, newPrefix, useRedis } from './support.ts'

const PROGRAM = fileURLToPath(new URL('./clients-program.ts', import.meta.url))

// What the store relies on, whichever client is behind it.

for (const [name, newClient] of Object.entries(CLIENTS)) {
  describe(`a connection of ${name}`, { timeout: 60_000 }, () => {
    const redis = useRedis()

    async function connect(t: TestContext) {
      const client = newClient(redis.server.url)
      t.after(() => client.destroy())
      await client.connect()
      return client
    }

    it('gives replies as Redis does: strings, integers, null, and maps as maps or as flat arrays', async (t) => {
      const connection = connectionOf((await connect(t)).client)
      const send = (...words: string[]) => connection.send(words, call())
      const key = newPrefix()
      assert.equal(await send('HSET', key, '__proto__', '1', 'name', 'Ada ✓', 'empty', ''), 3)
      const fields = [
        ['__proto__', '1'],
        ['name', 'Ada ✓'],
        ['empty', ''],
      ]
      assert.deepEqual([...toMap(await send('HGETALL', key))], fields)
      assert.deepEqual([...toMap(await send('HGETALL', newPrefix()))], [])
      assert.deepEqual(await send('HMGET', key, 'name', 'none'), ['Ada ✓', null])
      assert.equal(await send('PTTL', key), -1)
      assert.deepEqual(await send('EVAL', "return {'ok', 1, {'a', 'b'}, false}", '0'), ['ok', 1, ['a', 'b'], null])
      assert.equal(await send('ZADD', `${key}z`, '1700000000000', 'a', '2', 'b'), 2)
      assert.deepEqual(await send('ZRANGE', `${key}z`, '0', '-1'), ['b', 'a'])
      assert.deepEqual(await send('ZRANGE', `${key}z`, '0', '-1', 'WITHSCORES').then(texts), [
        'b',
        '2',
        'a',
        '1700000000000',
      ])
      assert.match(String(await send('INFO', 'memory')), /maxmemory_policy:noeviction/)
      for (const [words, word] of [
        [['EVALSHA', '0'.repeat(40), '0'], 'NOSCRIPT'],
        [['HGETALL', `${key}z`], 'WRONGTYPE'],
      ] as const) {
        await assert.rejects(send(...words), (error) => isReply(storeError(error), word))
      }
    })

    it('sends exactly what the store tells it to send', async (t) => {
      const client = await connect(t)
      for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
      const observed = await monitor(redis.server, redis.client)
      t.after(() => observed.stop())
      const told: string[][] = []
      const prefix = newPrefix()
      const store = redisStore(client.client, { prefix, onCommand: (words) => told.push([...words]) })
      // What is asked once per connection.
      while (store.now() === null) await pause(1)
      await client.ping()
      await observed.sent()

      const sessions = open(store, { touchInterval: 0 })
      const { token } = await sessions.create({ name: 'Ada ✓ "\r\n' }, { userId: 'ada' })
      await sessions.load(token)
      await sessions.increment(token, 'views')
      await sessions.update(token, 'name', () => 'Grace')
      await sessions.rotate(token)
      await sessions.timeToLive(token)
      await sessions.count()
      await sessions.recent(3)
      await sessions.user('ada').list()
      await sessions.user('ada').revokeAll()
      const sent = await observed.sent()
      assert.equal(sent.length, told.length)
      assert.deepEqual(
        sent.filter((words) => words.every(isPlain)),
        told.filter((words) => words.every(isPlain)),
      )
    })

    it('hears a channel, again after its connection was lost, and then says that it may have missed something', async (t) => {
      const connection = connectionOf((await connect(t)).client)
      const channel = newPrefix()
      const heard: string[] = []
      let missed = 0
      const { ready, end } = connection.subscribe(
        channel,
        (message) => heard.push(message),
        () => {
          missed++
        },
      )
      await ready
      await redis.client.publish(channel, 'first')
      while (heard.length < 1) await pause(1)
      assert.equal(missed, 0)
      for (let kills = 1; kills <= 2; kills++) {
        await redis.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
        while (missed < kills) await pause(1)
        // It listens by then: nothing is lost from here on.
        assert.equal(await redis.client.publish(channel, `after ${kills}`), 1)
      }
      while (heard.length < 3) await pause(1)
      assert.deepEqual(heard, ['first', 'after 1', 'after 2'])
      end()
      while ((await redis.client.publish(channel, 'late')) > 0) await pause(1)
      assert.equal(heard.length, 3)
    })

    it('that cannot be made for listening does not keep sessions from closing, and is given up', async () => {
      const client = newClient('redis://127.0.0.1:1')
      const store = redisStore(client.client)
      const sessions = createSessions({ store })
      sessions.on('created', () => undefined)
      const { ready, end } = store.subscribe(
        () => undefined,
        () => undefined,
      )
      end()
      await Promise.all([assert.rejects(ready), sessions.close()])
    })

    it('keeps no process alive once sessions and client are closed', async (t) => {
      const child = startChild(t, PROGRAM, { env: { CLIENT: name, REDIS_URL: redis.server.url } })
      assert.equal(await child.ended, 0, child.stderr)
      assert.deepEqual([child.stdout, child.stderr], ['done\n', ''])
    })
  })
}

/** Scores are doubles, which come as numbers from one client and as strings from another; the store reads both. */
function texts(reply: unknown): string[] {
  return (reply as unknown[]).flat().map(String)
}

/** What MONITOR prints as it is. */
function isPlain(word: string): boolean {
  return /^[ -~]*$/.test(word)
}
