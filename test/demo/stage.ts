import assert from 'node:assert/strict'
import { after, afterEach, before, describe } from 'node:test'
import { assertEveryKeyExpires, assertNoToken, type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scene } from './contract/scene.ts'
import { type DemoProcess, startDemo, startSearchingDemo } from './demo-process.ts'
import { live, Visitor } from './visitor.ts'

// The demo with a store behind it, for suites of tests. Whatever they do, no token is said and every key expires.

type Suite = (scene: Scene) => void

/** Passwords are slow to check, on purpose, and more so on a busy machine. */
const PATIENCE = { timeout: 240_000 }

export function onRedis(what: string, suites: readonly Suite[]): void {
  describe(`${what} on Redis`, PATIENCE, () => {
    let redis: RedisServer
    const setUp = async () => {
      redis = await startRedis()
      return startDemo(['--redis-url', redis.url, '--port', '0'])
    }
    stage(setUp, () => redis, suites)
  })
}

export function onMemory(what: string, suites: readonly Suite[]): void {
  describe(`${what} on the memory store`, PATIENCE, () => {
    const setUp = () => startSearchingDemo(['--port', '0'], { env: { PATH: '/nowhere' } })
    stage(setUp, () => null, suites)
  })
}

function stage(setUp: () => Promise<DemoProcess>, redis: () => RedisServer | null, suites: readonly Suite[]): void {
  let demo: DemoProcess
  const visitors: Visitor[] = []
  const newVisitor = () => {
    const visitor = new Visitor(demo.urls[0] as string)
    visitors.push(visitor)
    return visitor
  }
  const login = async (form: Record<string, string> = {}) => {
    const visitor = newVisitor()
    return { visitor, first: live(await visitor.post('/login', form)) }
  }

  before(async () => {
    demo = await setUp()
    // Redis does not know a script until it has been sent once.
    const { visitor } = await login()
    await visitor.post('/increment')
    await visitor.post('/logout')
  })
  after(async () => {
    await demo.stop()
    await redis()?.stop()
  })
  afterEach(async () => {
    const tokens = visitors.flatMap((visitor) => visitor.tokens)
    const said = [demo.output(), ...visitors.map(({ received }) => received)].join('\n')
    for (const token of tokens) assert.ok(!said.includes(token), 'a token was said')
    const client = await redis()?.connect()
    if (client === undefined) return
    if (tokens.length > 0) await assertNoToken(client, tokens)
    await assertEveryKeyExpires(client)
    client.destroy()
  })

  const scene = { url: () => demo.urls[0] as string, newVisitor, login, redis }
  for (const suite of suites) suite(scene)
}
