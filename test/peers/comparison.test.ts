import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { barrier, deferred, type Reply, serve, Visitor } from '../support/http.ts'
import { type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { type App, coatcheck, expressSession, fastifySessionApp, type Gate } from './apps.ts'

// What docs/comparison.md says of the libraries that keep sessions in Redis, measured here side by side: printed for the others,
// asserted for coatcheck. `npm test -- test/peers/comparison.test.ts` shows it.

const APPS = {
  coatcheck,
  'express-session + connect-redis': expressSession,
  '@fastify/session + connect-redis': fastifySessionApp,
} satisfies Record<string, (client: RedisClient, gate: Gate) => Promise<App>>
const PAIRS = 50
const LOGOUTS = 25
const SLOW: Record<string, (visitor: Visitor) => Promise<Reply>> = {
  writes: (visitor) => visitor.post('/set/late'),
  reads: (visitor) => visitor.get('/slow'),
}

/** The application, with somebody who has a session; each request that writes waits at `gate.wait`. */
async function open(t: TestContext, redis: RedisServer, name: keyof typeof APPS) {
  const gate = { wait: async () => {} }
  const client = await redis.connect()
  const app = await APPS[name](client, () => gate.wait())
  t.after(() => app.close())
  const server = await serve(t, app.listener)
  const begin = async () => {
    const visitor = new Visitor(t, server)
    assert.equal((await visitor.post('/begin')).status, 200)
    return visitor
  }
  return { gate, begin }
}

async function startIn(t: TestContext): Promise<RedisServer> {
  const redis = await startRedis()
  t.after(redis.stop)
  return redis
}

/** Commands that the server has carried out, by name, those inside a script too. */
async function commands(client: RedisClient): Promise<Map<string, number>> {
  const found = (await client.info('commandstats')).matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)
  return new Map([...found].map(([, name = '', calls]) => [name, Number(calls)]))
}

function since(before: Map<string, number>, after: Map<string, number>): string[] {
  return [...after].flatMap(([name, calls]) =>
    name === 'info' ? [] : Array<string>(calls - (before.get(name) ?? 0)).fill(name.toUpperCase()),
  )
}

describe('side by side', { timeout: 120_000 }, () => {
  for (const name of Object.keys(APPS) as (keyof typeof APPS)[]) {
    it(`${name}: two requests that change different fields`, async (t) => {
      const { gate, begin } = await open(t, await startIn(t), name)
      const visitor = await begin()
      let lost = 0
      for (let i = 0; i < PAIRS; i++) {
        gate.wait = barrier(2)
        const answers = await Promise.all([visitor.post(`/set/a${i}`), visitor.post(`/set/b${i}`)])
        assert.deepEqual(
          answers.map(({ status }) => status),
          [200, 200],
        )
        const fields: string[] = (await visitor.get('/')).json
        lost += 2 - [`a${i}`, `b${i}`].filter((field) => fields.includes(field)).length
      }
      t.diagnostic(`${name}: ${lost} of ${2 * PAIRS} writes lost, each of them answered 200`)
      if (name === 'coatcheck') assert.equal(lost, 0)
    })

    for (const [does, send] of Object.entries(SLOW)) {
      it(`${name}: a logout while a request of the same session ${does}`, async (t) => {
        const { gate, begin } = await open(t, await startIn(t), name)
        let revived = 0
        for (let i = 0; i < LOGOUTS; i++) {
          const visitor = await begin()
          const { cookieHeader: cookie } = visitor
          const [arrived, go] = [deferred(), deferred()]
          gate.wait = () => {
            arrived.resolve()
            return go.promise
          }
          const slow = send(visitor)
          await arrived.promise
          assert.equal((await visitor.post('/logout', { cookie })).status, 200)
          go.resolve()
          await slow
          if ((await visitor.get('/', { cookie })).json.includes('user')) revived++
        }
        t.diagnostic(`${name}: ${revived} of ${LOGOUTS} sessions are back after a logout while a request ${does}`)
        if (name === 'coatcheck') assert.equal(revived, 0)
      })
    }

    it(`${name}: the commands of a request`, async (t) => {
      const redis = await startIn(t)
      const { begin } = await open(t, redis, name)
      const visitor = await begin()
      const client = await redis.connect()
      const costs: Record<string, string[]> = {}
      for (const [what, ask] of Object.entries({
        read: () => visitor.get('/'),
        write: () => visitor.post('/set/field'),
        'read by a visitor without a session': () => visitor.get('/', { cookie: null }),
      })) {
        const before = await commands(client)
        await ask()
        costs[what] = since(before, await commands(client))
        t.diagnostic(`${name}: ${what}: ${costs[what].join(' + ') || 'none'}`)
      }
      if (name === 'coatcheck') {
        assert.deepEqual(costs.read, ['HGETALL'])
        assert.deepEqual(costs['read by a visitor without a session'], [])
      }
    })
  }

  it('a Redis that does not answer', async (t) => {
    const redis = await startIn(t)
    const visitors = new Map<string, Visitor>()
    for (const name of Object.keys(APPS) as (keyof typeof APPS)[]) {
      visitors.set(name, await (await open(t, redis, name)).begin())
    }
    process.kill(redis.pid, 'SIGSTOP')
    const begun = performance.now()
    const answers = new Map<string, string>()
    const asked = [...visitors].map(async ([name, visitor]) => {
      const { status } = await visitor.get('/')
      answers.set(name, `${status} after ${Math.round(performance.now() - begun)} ms`)
      return [name, status] as const
    })
    assert.deepEqual(await asked[0], ['coatcheck', 503])
    for (const name of visitors.keys()) {
      t.diagnostic(`${name}: ${answers.get(name) ?? 'no answer when coatcheck had answered'}`)
    }
    process.kill(redis.pid, 'SIGCONT')
    await Promise.all(asked)
  })
})
