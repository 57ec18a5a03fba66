import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { tagOfUser } from '../../src/core/token.ts'
import { createSessions, type Sessions } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { redisStore } from '../../src/redis.ts'
import { readPage, tableRows } from '../docs/pages.ts'
import { useRedis } from './support.ts'

// What logins, lists and counts cost, with few sessions and with many: the same, and what docs/costs.md says. 200,000 sessions
// take their time, so that is for the long tests.

const FEW = 1000
const MANY = Number(process.env.COSTS_SESSIONS ?? 20_000)

interface Data {
  cart: string[]
}

/** Commands, and in how many round trips they went. */
type Cost = readonly [commands: number, roundTrips: number]

/** Counts commands; those sent in one turn of the event loop leave together, and so are one round trip. */
class Meter {
  #commands = 0
  #batches = 0
  #open = false

  readonly onCommand = () => {
    this.#commands++
    if (this.#open) return
    this.#open = true
    this.#batches++
    // node-redis writes what has come together at the end of the turn; an answer to it comes in a later one.
    setImmediate(() => {
      this.#open = false
    })
  }

  async of(run: () => Promise<unknown>): Promise<Cost> {
    const before = [this.#commands, this.#batches] as const
    await run()
    return [this.#commands - before[0], this.#batches - before[1]]
  }
}

/** Users each of whom has a partition of their own: so how far a list reads into a partition is no matter of chance. */
function usersApart(count: number, name: string): string[] {
  const users = new Map<string, string>()
  for (let i = 0; users.size < count; i++) users.set(tagOfUser(`${name}${i}`), `${name}${i}`)
  return [...users.values()]
}

describe('costs', () => {
  const redis = useRedis()
  const meter = new Meter()
  let sessions: Sessions<Data>
  const measured = new Map<number, Map<string, Cost>>()

  /** Half of them are guests, half have a user, and every user has two. */
  async function fill(from: number, to: number) {
    for (let i = from; i < to; i += 1000) {
      const batch = Array.from({ length: Math.min(1000, to - i) }, (_, j) => i + j)
      await Promise.all(
        batch.map((n) => sessions.create({ cart: ['umbrella'] }, n % 2 ? {} : { userId: `user${n >> 2}` })),
      )
    }
  }

  async function signedIn(userId: string) {
    const { token } = await sessions.create({ cart: ['umbrella'] }, { userId })
    return request(token)
  }

  async function request(token?: string) {
    const req = {}
    await sessions.openRequest(req, token && `__Host-sid=${token}`)
    return sessions.of(req)
  }

  async function measure(size: number) {
    const costs = new Map<string, Cost>()
    const add = async (name: string, run: () => Promise<unknown>) => costs.set(name, await meter.of(run))

    for (const userId of usersApart(120, `seen${size}-`)) await sessions.create({}, { userId })
    const page = await sessions.recent(50)
    assert.equal(page.length, 50)
    await add('a page of 50: `recent(50)`', () => sessions.recent(50))
    await add('page 2: `recent(50, { after })`', async () => {
      const next = await sessions.recent(50, { after: page.at(-1)! })
      assert.equal(new Set([...page, ...next].map(({ id }) => id)).size, 100)
    })
    await add('`stats()`', async () => {
      const { active } = await sessions.stats()
      assert.ok(active >= size, `${active} sessions`)
    })
    await add('`countByIdleAge()` of three ages', () => sessions.countByIdleAge(['1m', '5m', '30m']))

    const { token } = await sessions.create({ cart: ['umbrella'] })
    await add('a request with a session', () => request(token))
    const visitor = await request(token)
    await add('login of a visitor with data', () => visitor.login(`a${size}`))
    assert.deepEqual([visitor.userId, visitor.data.cart], [`a${size}`, ['umbrella']])
    const nobody = await request()
    await add('login without a session before', () => nobody.login(`b${size}`))
    await add('login of the same user again (step-up)', () => nobody.login(`b${size}`))
    const first = await request()
    await first.login(`c${size}`, { deviceId: 'phone' })
    const second = await request()
    await add('login on a device that the user has already', () => second.login(`c${size}`, { deviceId: 'phone' }))
    assert.equal(await sessions.find(first.id!), null)

    const user = await Promise.all(Array.from({ length: 5 }, () => signedIn(`d${size}`)))
    await add('`devices()`, 5 of them', async () => assert.equal((await user[0]!.devices()).length, 5))
    await add('`revoke(id)` of one of them', async () => assert.equal(await user[0]!.revoke(user[1]!.id!), true))
    await signedIn(`d${size}`)
    await add('`setRoles()` of a user with 5', async () =>
      assert.equal(await sessions.user(`d${size}`).setRoles(['customer']), 5),
    )
    await add('`revokeOthers()`, 4 of 5', async () => assert.equal(await user[0]!.revokeOthers(), 4))
    const others = await Promise.all(Array.from({ length: 4 }, () => signedIn(`d${size}`)))
    await add('`revokeAll()`, 5 of them', async () => assert.equal(await user[0]!.revokeAll(), 5))
    for (const { id } of others) assert.equal(await sessions.find(id!), null)
    await add('`logout()`', () => nobody.logout())
    return costs
  }

  before(async () => {
    for (const { source } of Object.values(scripts)) await redis.client.scriptLoad(source)
    const store = redisStore(await redis.server.connect(), { onCommand: meter.onCommand })
    while (store.now() === null) await pause(1)
    sessions = createSessions<Data>({ store, storeTimeout: '1m' })
    await fill(0, FEW)
    measured.set(FEW, await measure(FEW))
    await fill(FEW, MANY)
    measured.set(MANY, await measure(MANY))
  })
  after(() => sessions.close())

  it(`are the same with ${MANY} sessions as with ${FEW}`, async () => {
    assert.ok((await sessions.count()) > MANY)
    assert.deepEqual(measured.get(MANY), measured.get(FEW))
  })

  it('are those of docs/costs.md', () => {
    const printed = tableRows(readPage('docs/costs.md'), 'The table').map(([name, commands, trips]) => [
      name,
      [Number(commands), Number(trips)],
    ])
    assert.deepEqual(printed, [...measured.get(FEW)!])
  })
})
