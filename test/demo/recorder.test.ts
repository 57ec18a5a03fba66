import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CommandRecorder } from '../../demo/recorder.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { startRedis } from '../support/redis-server.ts'
import { startDemo, until } from './demo-process.ts'
import { type DemoAnswer, live, Visitor } from './visitor.ts'

describe('the commands that an action cost', { timeout: 30_000 }, () => {
  it('are exactly those that Redis has received from the demo, but for its own look at the session', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demo = await startDemo(['--redis-url', redis.url, '--port', '0'])
    t.after(demo.stop)
    const visitor = new Visitor(demo.urls[0] as string)
    const received: string[][] = []
    const monitor = await redis.connect()
    await monitor.monitor((line) => received.push(...commandOf(String(line))))
    const marker = await redis.connect()

    for (const [path, form] of [
      ['/login', { username: 'Zoë "x"\n' }],
      ['/login', { username: '' }],
      ['/increment', {}],
      ['/increment', {}],
      ['/ttl', { ttl: '60' }],
      ['/logout', {}],
    ] as const) {
      received.length = 0
      const { body } = await visitor.post(path, form)
      await marker.sendCommand(['ECHO', 'end'])
      await until(async () => received.some(([word]) => word === 'ECHO'))
      const all = received.filter(([word]) => word !== 'ECHO')
      // Its own look comes last: twice the hash, and the time left. A logout leaves nothing to look at.
      const own = path === '/logout' ? [] : all.splice(-3).map(([word]) => word)
      if (path !== '/logout') assert.deepEqual(own, ['HGETALL', 'HGETALL', 'PTTL'])
      assert.deepEqual(
        body.commands.map(({ words }) => words.map(plain)),
        all.map((words) => words.map(plain)),
      )
    }
  })

  it('show a script with its source when Redis does not know it yet', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demo = await startDemo(['--redis-url', redis.url, '--port', '0'])
    t.after(demo.stop)
    const visitor = new Visitor(demo.urls[0] as string)
    const kinds = ({ commands }: DemoAnswer) => commands.map(({ words, script }) => [words[0], script])
    assert.deepEqual(kinds(live(await visitor.post('/login'))), [
      ['EVALSHA', 'create'],
      ['EVAL', 'create'],
    ])
    const client = await redis.connect()
    await client.scriptFlush()
    const { commands } = live(await visitor.post('/increment'))
    assert.equal(commands[2]?.words[1], scripts.commit.source)
    assert.equal(commands[2]?.script, 'commit')
  })

  it('are noted request by request, through asynchronous calls', async () => {
    const recorder = new CommandRecorder()
    const request = (name: string) =>
      recorder.record(async () => {
        for (let i = 0; i < 3; i++) {
          recorder.sent(['GET', name])
          await new Promise(setImmediate)
          await recorder.offTheRecord(async () => {
            await new Promise(setImmediate)
            recorder.sent(['GET', 'unseen'])
          })
        }
        return recorder.commands.map(({ words }) => words[1])
      })
    const noted = await Promise.all([request('a'), request('b')])
    assert.deepEqual(noted, [
      ['a', 'a', 'a'],
      ['b', 'b', 'b'],
    ])
  })

  it('are nobody’s outside a request', () => {
    const recorder = new CommandRecorder()
    recorder.sent(['PING'])
    assert.deepEqual(recorder.commands, [])
  })
})

/** A line of MONITOR, as words; none for what a script does, or what connecting costs. */
function commandOf(line: string): string[][] {
  const [, address, rest = ''] = /^\S+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? []
  if (address === undefined || address === 'lua') return []
  const words = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word as string)
  return ['HELLO', 'CLIENT', 'MONITOR', 'INFO', 'TIME'].includes(words[0]?.toUpperCase() ?? '') ? [] : [words]
}

/** Without all that one side escapes and the other does not. */
function plain(word: string): string {
  return word.replace(/\\(?:x[0-9a-f]{2}|.)|[^\w:{}. -]/g, '')
}
