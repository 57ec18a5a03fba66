import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withDeadline } from '../../src/core/deadline.ts'
import type { RedisConnection, Server } from '../../src/redis/clients/connection.ts'
import { AwayError, NotSentError } from '../../src/redis/errors.ts'
import { Runner } from '../../src/redis/runner.ts'
import { call } from '../store-contract.ts'

type Answer = (words: readonly string[], sentTo?: (server: Server) => void) => unknown

/** A connection whose every answer a test gives. */
function fake(answer: Answer, serverOf: (key?: string) => Server | null = () => null): RedisConnection {
  return {
    send: async (words, _call, sentTo) => answer(words, sentTo),
    serverOf,
    masters: () => [],
    trouble: () => null,
    onReady: () => () => undefined,
    subscribe: () => assert.fail('nobody listens here'),
  }
}

/** Answers with these one after the other, and then always with the last. */
function answers(...all: (Error | string)[]): { runner: Runner; sent: () => number } {
  let sent = 0
  const runner = new Runner(
    fake(() => {
      const next = all[Math.min(sent++, all.length - 1)]
      if (next instanceof Error) throw next
      return next
    }),
  )
  return { runner, sent: () => sent }
}

const PASSING = [
  'LOADING Redis is loading the dataset in memory',
  "READONLY You can't write against a read only replica.",
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'CLUSTERDOWN The cluster is down',
  'TRYAGAIN Multiple keys request during rehashing of slot',
].map((text) => new Error(text))

describe('what Redis cannot do just now', () => {
  it('is tried again until it can', async () => {
    for (const refusal of [...PASSING, new AwayError('Nobody has the slot')]) {
      const { runner, sent } = answers(refusal, refusal, refusal, 'done')
      const asked = { ...call() }
      assert.equal(await runner.send(['GET', 'key'], asked), 'done')
      assert.equal(sent(), 4)
      assert.equal(asked.refusal, undefined)
    }
  })

  it('is tried until the deadline, which then says why it has not been done', async () => {
    for (const refusal of PASSING) {
      const { runner, sent } = answers(refusal)
      const word = refusal.message.split(' ')[0]
      await assert.rejects(
        withDeadline(100, 'commit', (call) => runner.send(['GET', 'key'], call)),
        {
          code: 'ERR_STORE_UNAVAILABLE',
          outcome: 'none',
          message: `Redis answered ${word}: it cannot serve just now.`,
        },
      )
      assert.ok(sent() > 1)
    }
    const { runner } = answers(new AwayError('Nobody has the slot'))
    await assert.rejects(
      withDeadline(100, 'commit', (call) => runner.send(['GET', 'key'], call)),
      { code: 'ERR_STORE_UNAVAILABLE', outcome: 'none', message: 'Nobody has the slot. The command was not sent.' },
    )
  })

  it('is not tried again once the deadline has passed', async () => {
    const { runner, sent } = answers(...PASSING)
    await assert.rejects(withDeadline(30, 'commit', (call) => runner.send(['GET', 'key'], call)))
    const before = sent()
    await new Promise((resolve) => setTimeout(resolve, 250))
    assert.equal(sent(), before)
  })

  it('is told from what nobody knows the fate of, and from what it will never do: these are sent once', async () => {
    for (const [error, code, outcome] of [
      [new Error('Socket closed unexpectedly'), 'ERR_STORE_UNAVAILABLE', 'unknown'],
      [new NotSentError('The client is closed'), 'ERR_STORE_UNAVAILABLE', 'none'],
      [new Error("CROSSSLOT Keys in request don't hash to the same slot"), 'ERR_STORE_REPLY', 'none'],
      [new Error('MOVED 1 127.0.0.1:1'), 'ERR_STORE_REPLY', 'none'],
      [new Error('NOREPLICAS Not enough good replicas to write.'), 'ERR_STORE_UNAVAILABLE', 'none'],
      [new Error('ERR something'), 'ERR_STORE_REPLY', 'unknown'],
    ] as const) {
      const { runner, sent } = answers(error, 'done')
      await assert.rejects(runner.send(['GET', 'key'], call()), { code, outcome })
      assert.equal(sent(), 1)
    }
  })

  it('rejects also with what a client throws at once', async () => {
    const send = () => {
      throw new Error('a broken client')
    }
    const runner = new Runner({ ...fake(() => 'done'), send })
    await assert.rejects(runner.send(['GET', 'key'], call()), { code: 'ERR_STORE_UNAVAILABLE', outcome: 'unknown' })
  })

  it('comes to what is made of the reply, or of the error, also when it was tried again', async () => {
    const refusal = PASSING[0] as Error
    for (const first of ['done', refusal]) {
      const { runner } = answers(first, 'done')
      assert.equal(await runner.read(['GET', 'key'], call(), (reply) => `${reply}!`, String), 'done!')
    }
    const { runner } = answers(refusal, new Error('WRONGTYPE Operation against a key'))
    const made = runner.read(['GET', 'key'], call(), String, (error) => (error as { word?: string }).word ?? '')
    assert.equal(await made, 'WRONGTYPE')
  })

  it('has a deadline that knows nothing once the last attempt is on its way', async () => {
    let sent = 0
    const runner = new Runner(
      fake(() => {
        if (sent++ === 0) throw PASSING[0]
        return new Promise(() => undefined)
      }),
    )
    await assert.rejects(
      withDeadline(60, 'commit', (call) => runner.send(['GET', 'key'], call)),
      { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' },
    )
    assert.equal(sent, 2)
  })
})

describe('the time', () => {
  const HOUR = 3_600_000
  /** Two servers, the second of which has keys that begin with b, and is an hour ahead. */
  function twoServers() {
    const asked: number[] = []
    const timeAt = (n: number) => Date.now() + n * HOUR
    const servers = [0, 1].map(
      (n): Server => ({
        epoch: 1,
        beside: () => assert.fail('nobody waits for replicas here'),
        send: async ([name]) => {
          assert.equal(name, 'TIME')
          asked.push(n)
          return [String(Math.floor(timeAt(n) / 1000)), String((timeAt(n) % 1000) * 1000)]
        },
      }),
    )
    const of = (key = 'a') => (key.startsWith('b') ? 1 : 0)
    const connection = fake(
      ([, , , key], sentTo) => {
        sentTo?.(servers[of(key)] as Server)
        return ['ok', timeAt(of(key))]
      },
      (key) => servers[of(key)] as Server,
    )
    return { runner: new Runner(connection), asked }
  }

  const isAhead = (time: number | null, ms: number) => {
    assert.ok(time !== null && Math.abs(time - Date.now() - ms) < 1000, `${(time ?? 0) - Date.now()} ms`)
  }

  it('is that of the server which has the key, from the answers of scripts there', async () => {
    const { runner, asked } = twoServers()
    assert.deepEqual([runner.known('a'), runner.known('b')], [null, null])
    await runner.run({ name: 'destroy', keys: ['b'], args: [] }, call())
    assert.equal(runner.known('a'), null)
    isAhead(runner.known('b'), HOUR)
    await runner.run({ name: 'destroy', keys: ['a'], args: [] }, call())
    isAhead(runner.known('a'), 0)
    isAhead(runner.known('b'), HOUR)
    const before = performance.now()
    isAhead(await runner.earliest(before, 'a', call()), 0)
    isAhead(await runner.earliest(before, 'b', call()), HOUR)
    assert.deepEqual(asked, [])
  })

  it('is asked for at the server which has the key, once', async () => {
    const { runner, asked } = twoServers()
    isAhead(await runner.now('b1', call()), HOUR)
    isAhead(await runner.earliest(performance.now(), 'b2', call()), HOUR)
    assert.deepEqual(asked, [1])
    isAhead(await runner.now('a', call()), 0)
    assert.deepEqual(asked, [1, 0])
  })
})
