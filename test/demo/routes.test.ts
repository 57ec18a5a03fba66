import assert from 'node:assert/strict'
import { after, afterEach, before, describe } from 'node:test'
import { assertEveryKeyExpires, assertNoToken, type RedisServer, startRedis } from '../support/redis-server.ts'
import { commands } from './contract/commands.ts'
import { loginRoute } from './contract/login.ts'
import { page } from './contract/page.ts'
import { refusals } from './contract/refusals.ts'
import { sessionRoutes } from './contract/session.ts'
import { ttls } from './contract/ttl.ts'
import { type DemoProcess, startDemo, startSearchingDemo } from './demo-process.ts'
import { live, Visitor } from './visitor.ts'

describe('the demo on Redis', { timeout: 60_000 }, () => {
  let redis: RedisServer
  const setUp = async () => {
    redis = await startRedis()
    return startDemo(['--redis-url', redis.url, '--port', '0'])
  }
  contract(setUp, () => redis)
})

describe('the demo on the memory store', { timeout: 60_000 }, () => {
  contract(
    () => startSearchingDemo(['--port', '0'], { env: { PATH: '/nowhere' } }),
    () => null,
  )
})

function contract(setUp: () => Promise<DemoProcess>, redis: () => RedisServer | null): void {
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
  for (const suite of [page, loginRoute, sessionRoutes, ttls, commands, refusals]) suite(scene)
}
