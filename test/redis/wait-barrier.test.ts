import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Beside, Server } from '../../src/redis/clients/connection.ts'
import { Keys } from '../../src/redis/keys.ts'
import { Replicas } from '../../src/redis/replicas/replicas.ts'
import { call } from '../store-contract.ts'
import { deferred } from '../support/http.ts'

// The wait for replicas, with servers whose every answer a test gives.

type Answer = (words: readonly string[]) => unknown

/** A server, and what is sent to it over the connections beside the first. */
class FakeServer implements Server {
  epoch = 1
  /** Who answers on each side. */
  process = 'aaa'
  beside_ = 'aaa'
  mode = 'standalone'
  opened = 0
  ended = 0
  /** When the next connection takes commands. */
  ready: Promise<void> = Promise.resolve()
  readonly sent: string[] = []
  answer: Answer = ([name]) => (name === 'WAIT' ? 1 : 'OK')
  /** Called as the first connection is asked who answers. */
  asked: () => void = () => undefined

  async send([name = '']: readonly string[]): Promise<unknown> {
    assert.equal(name, 'INFO')
    this.asked()
    return `run_id:${this.process}\r\nredis_mode:${this.mode}\r\n`
  }

  beside(): Beside {
    this.opened++
    let isLost = false
    const process = this.beside_
    return {
      ready: this.ready,
      get isLost() {
        return isLost
      },
      send: async (words) => {
        if (words[0] === 'INFO') return `run_id:${process}\r\nredis_mode:${this.mode}\r\n`
        this.sent.push(words[0] === 'EVAL' ? `EVAL ${words[3]}` : words.join(' '))
        return this.answer(words)
      },
      end: () => {
        isLost = true
        this.ended++
      },
    }
  }
}

const replicas = () => new Replicas(1, new Keys('s:'))
const REFUSED = { code: 'ERR_STORE_REPLICAS', outcome: 'unknown', status: 503 }

describe('the wait for replicas', () => {
  it('writes in a slot of the master, and then waits for so many of them', async () => {
    const server = new FakeServer()
    await replicas().acknowledged(server, 's:{ab}:key', call())
    assert.equal(server.sent[0], 'EVAL s:{ab}:wait')
    const [, word, number, ms] = /^(WAIT) (\d+) (\d+)$/.exec(server.sent[1] ?? '') ?? []
    assert.deepEqual([word, number], ['WAIT', '1'])
    // Below what is left until the deadline.
    assert.ok(Number(ms) > 500 && Number(ms) < 900, ms)
  })

  it('never waits for ever, and says no when the deadline has passed', async () => {
    const server = new FakeServer()
    server.answer = ([name]) => (name === 'WAIT' ? 0 : 'OK')
    await assert.rejects(replicas().acknowledged(server, 's:{ab}:key', { ...call(), remaining: 0 }), REFUSED)
    while (server.sent.length < 2) await new Promise(setImmediate)
    assert.equal(server.sent[1], 'WAIT 1 1')
  })

  it('takes no acknowledgement of another process than the one that did it', async () => {
    const server = new FakeServer()
    const waiting = replicas()
    server.beside_ = 'bbb'
    await assert.rejects(waiting.acknowledged(server, 's:{ab}:key', call()), { ...REFUSED, message: /another server/ })
    assert.deepEqual(server.sent, [])
    // It had looked twice: its own connection may have been the older one.
    assert.equal(server.opened, 2)
    server.beside_ = 'aaa'
    await waiting.acknowledged(server, 's:{ab}:key', call())
  })

  it('follows to another process, and tells those apart that came from the one before', async () => {
    const server = new FakeServer()
    const waiting = replicas()
    await waiting.acknowledged(server, 's:{ab}:key', call())
    const before = waiting.acknowledged(server, 's:{ab}:key', call())
    Object.assign(server, { epoch: 2, process: 'bbb', beside_: 'bbb' })
    const after = waiting.acknowledged(server, 's:{ab}:key', call())
    const [old, now] = await Promise.allSettled([before, after])
    assert.equal(now.status, 'fulfilled')
    // It was sent, and answered by the process that did it, or refused.
    assert.ok(old.status === 'fulfilled' || old.reason.code === 'ERR_STORE_REPLICAS')
    assert.equal(server.ended, 1)
  })

  it('does not know who did it once the connection on which that was done is lost', async () => {
    const server = new FakeServer()
    server.asked = () => {
      server.epoch++
    }
    const failed = { ...REFUSED, message: /has been lost since/ }
    await assert.rejects(replicas().acknowledged(server, 's:{ab}:key', call()), failed)
    assert.deepEqual(server.sent, [])
  })

  it('takes too few for none', async () => {
    const server = new FakeServer()
    server.answer = ([name]) => (name === 'WAIT' ? 0 : 'OK')
    const failed = { ...REFUSED, message: /only 0 of 1 replicas/ }
    await assert.rejects(replicas().acknowledged(server, 's:{ab}:key', call()), failed)
  })

  it('takes none of a server that is no master any more', async () => {
    const server = new FakeServer()
    server.answer = ([name]) => {
      if (name === 'WAIT') return 1
      throw new Error("READONLY You can't write against a read only replica.")
    }
    const failed = { ...REFUSED, message: /READONLY/ }
    await assert.rejects(replicas().acknowledged(server, 's:{ab}:key', call()), failed)
  })

  it('writes elsewhere while the slot of a key is on its way', async () => {
    const server = new FakeServer()
    server.mode = 'cluster'
    const moved = new Set(['s:{cd}:wait'])
    server.answer = ([name, , , key]) => {
      if (name === 'EVAL' && moved.has(String(key))) throw new Error('MOVED 1 127.0.0.1:1')
      return name === 'WAIT' ? 1 : 'OK'
    }
    const waiting = replicas()
    await waiting.acknowledged(server, 's:{ab}:key', call())
    // Where it was written before is as good as any.
    await waiting.acknowledged(server, 's:{cd}:key', call())
    const writes = () => server.sent.filter((words) => words.startsWith('EVAL'))
    assert.deepEqual(writes(), ['EVAL s:{ab}:wait', 'EVAL s:{ab}:wait'])
    moved.add('s:{ab}:wait')
    await waiting.acknowledged(server, 's:{ef}:key', call())
    assert.deepEqual(writes().slice(2), ['EVAL s:{ab}:wait', 'EVAL s:{ef}:wait'])
    assert.equal(server.sent.filter((words) => words === 'ASKING').length, 4)
    await assert.rejects(replicas().acknowledged(server, 's:{ab}:key', call()), { ...REFUSED, message: /MOVED/ })
  })

  it('gives up a connection that says nothing, so that those who come next get an answer', async () => {
    const server = new FakeServer()
    const { answer } = server
    server.answer = () => new Promise(() => undefined)
    const waiting = replicas()
    await assert.rejects(waiting.acknowledged(server, 's:{ab}:key', { ...call(), remaining: 50 }), REFUSED)
    server.answer = answer
    await waiting.acknowledged(server, 's:{ab}:key', { ...call(), remaining: 5000 })
    assert.deepEqual([server.opened, server.ended], [2, 1])
  })

  it('gives up at once for those whose deadline has passed while they queued', async (t) => {
    const warnings: Error[] = []
    const listen = (warning: Error) => void warnings.push(warning)
    process.on('warning', listen)
    t.after(() => process.off('warning', listen))
    const server = new FakeServer()
    server.answer = () => new Promise(() => undefined)
    const waiting = replicas()
    const first = waiting.acknowledged(server, 's:{ab}:key', { ...call(), remaining: 50 })
    while (server.sent.length === 0) await new Promise(setImmediate)
    const next = waiting.acknowledged(server, 's:{ab}:key', { ...call(), remaining: 0 })
    await Promise.all([assert.rejects(first, REFUSED), assert.rejects(next, REFUSED)])
    // Those who queued have been tried, and given up, too.
    while (server.ended < 2) await new Promise(setImmediate)
    assert.deepEqual(warnings, [])
  })

  it('does not go back to a connection that was given up, should it come to something yet', async () => {
    const server = new FakeServer()
    const slow = deferred()
    server.ready = slow.promise as Promise<void>
    const waiting = replicas()
    await assert.rejects(waiting.acknowledged(server, 's:{ab}:key', { ...call(), remaining: 50 }), REFUSED)
    server.ready = Promise.resolve()
    await waiting.acknowledged(server, 's:{ab}:key', { ...call(), remaining: 5000 })
    slow.resolve()
    await new Promise(setImmediate)
    await waiting.acknowledged(server, 's:{ab}:key', call())
    waiting.close()
    assert.deepEqual([server.opened, server.ended], [2, 2])
  })

  it('ends every connection when it is closed, with servers that come at once, and forgets those that are gone', async () => {
    const servers = Array.from({ length: 20 }, () => new FakeServer())
    const waiting = replicas()
    await Promise.all(servers.map((server) => waiting.acknowledged(server, 's:{ab}:key', call())))
    waiting.close()
    assert.deepEqual(new Set(servers.map(({ opened, ended }) => opened - ended)), new Set([0]))
  })

  it('opens another connection when its own is lost on the way, and none once it is closed', async () => {
    const server = new FakeServer()
    const { answer } = server
    server.answer = () => {
      server.answer = answer
      throw new Error('Socket closed unexpectedly')
    }
    const waiting = replicas()
    await waiting.acknowledged(server, 's:{ab}:key', call())
    assert.equal(server.opened, 2)
    waiting.close()
    assert.equal(server.ended, 2)
    const failed = { ...REFUSED, message: /closed/ }
    await assert.rejects(waiting.acknowledged(server, 's:{ab}:key', call()), failed)
    assert.equal(server.opened, 2)
  })
})
