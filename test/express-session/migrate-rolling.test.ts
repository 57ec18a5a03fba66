import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { readPage, tableRows } from '../docs/pages.ts'
import { useRedis } from '../redis/support.ts'
import { eventually, inParallel } from '../support/http.ts'
import { Sessions } from './connect-redis-sessions.ts'
import { deployments, type Instance, Person } from './side-by-side.ts'

const PAGE = 'docs/from-connect-redis.md'
const MINUTE = 60_000

/** Two versions that serve the same users. */
interface Pair {
  readonly older: Instance
  readonly newer: Instance
  readonly sessions: Sessions
}

/** What the page says of a pair, and how that comes about. */
type Cell = readonly [says: string, holds: (pair: Pair) => Promise<void>]

const ADA = { user: 'Ada' }
const NOBODY = {}

async function seen(person: Person, at: Instance, expected: object): Promise<void> {
  // Twice: the first request may have changed where the session is.
  for (let i = 0; i < 2; i++) assert.deepEqual(await person.copy().seenBy(at), expected)
}

/** A request that has read its session, and what lets it write. */
async function slow(person: Person, at: Instance, path: string) {
  const count = at.waiting.length
  const answer = person.copy().send(at, 'POST', `/slow/${path}`)
  await eventually(() => at.waiting.length > count)
  return async () => {
    at.waiting[count]?.resolve()
    return answer
  }
}

/** Somebody whose session an instance of the newer version has had in its hands. */
async function metBy(newer: Instance, older: Instance): Promise<Person> {
  const person = await Person.loggedIn(older)
  await seen(person, newer, ADA)
  return person
}

const onBoth = (first: keyof Pair & ('older' | 'newer')): Cell => [
  'on both',
  async (pair) => {
    const person = await Person.loggedIn(pair[first])
    for (const at of [pair.newer, pair.older, pair.newer]) await seen(person, at, ADA)
  },
]

const yes = (from: 'older' | 'newer', to: 'older' | 'newer'): Cell => [
  'yes',
  async (pair) => {
    const person = await Person.loggedIn(pair.older)
    for (const round of ['1', '2', '3']) {
      await person.post(pair[from], `/set/round/${round}`)
      await seen(person, pair[to], { ...ADA, round })
      await seen(person, pair[from], { ...ADA, round })
    }
  },
]

const endsOnBoth = (at: 'older' | 'newer'): Cell => [
  'on both',
  async (pair) => {
    for (const begin of [Person.loggedIn(pair.older), metBy(pair.newer, pair.older)]) {
      const person = await begin
      await person.post(pair[at], '/logout')
      for (const instance of [pair.newer, pair.older]) await seen(person, instance, NOBODY)
    }
  },
]

/** A slow request, while somebody logs out: what both see afterwards, and the answer to it. */
async function slowLogout(pair: Pair, slowAt: Instance, logoutAt: Instance) {
  const person = await metBy(pair.newer, pair.older)
  const finish = await slow(person, slowAt, 'late/1')
  await person.copy().post(logoutAt, '/logout')
  return { person, answer: await finish() }
}

const never = (slowAt: 'older' | 'newer', logouts: readonly ('older' | 'newer')[]): Cell => [
  'never',
  async (pair) => {
    for (const logoutAt of logouts) {
      const { person, answer } = await slowLogout(pair, pair[slowAt], pair[logoutAt])
      assert.deepEqual(answer, { status: 500, body: { code: 'ERR_SESSION_ENDED' } })
      for (const instance of [pair.newer, pair.older]) await seen(person, instance, NOBODY)
    }
  },
]

/** connect-redis brings a session back; the first request for it on a new instance ends that. */
async function broughtBack(pair: Pair): Promise<void> {
  const { person, answer } = await slowLogout(pair, pair.older, pair.newer)
  assert.equal(answer.status, 200)
  await seen(person, pair.older, { ...ADA, late: '1' })
  await seen(person, pair.newer, NOBODY)
  await seen(person, pair.older, NOBODY)
}

async function bothAtOnce(person: Person, [first, second]: [Instance, Instance]): Promise<void> {
  const [finishFirst, finishSecond] = [await slow(person, first, 'a/1'), await slow(person, second, 'b/2')]
  for (const answer of [await finishFirst(), await finishSecond()]) assert.equal(answer.status, 200)
}

const lives: Cell = [
  'yes',
  async (pair) => {
    for (const at of [pair.older, pair.newer]) {
      const person = await metBy(pair.newer, pair.older)
      const keys = [pair.sessions.oldKey(person.sid), pair.sessions.newKey(person.sid)]
      await pair.sessions.expireIn(MINUTE, keys)
      await person.seenBy(at)
      assert.ok((await pair.sessions.longest(keys)) > 60 * MINUTE)
      for (const instance of [pair.newer, pair.older]) await seen(person, instance, ADA)
    }
  },
]

const TABLE: Record<string, readonly [oneStep: Cell, first: Cell, second: Cell]> = {
  'Who was logged in before is logged in': [onBoth('older'), onBoth('older'), onBoth('older')],
  'Who logs in on an old instance is logged in': [onBoth('older'), onBoth('older'), onBoth('older')],
  'Who logs in on a new instance is logged in': [
    [
      'on the new ones only',
      async ({ older, newer }) => {
        const person = await Person.loggedIn(newer)
        await seen(person, newer, ADA)
        await seen(person, older, NOBODY)
      },
    ],
    onBoth('newer'),
    onBoth('newer'),
  ],
  'What an old instance changes, new ones see': [
    [
      'until it has been taken over',
      async ({ older, newer }) => {
        const person = await Person.loggedIn(older)
        await person.post(older, '/set/round/1')
        await seen(person, newer, { ...ADA, round: '1' })
        await person.post(older, '/set/round/2')
        await seen(person, newer, { ...ADA, round: '1' })
      },
    ],
    yes('older', 'newer'),
    yes('older', 'newer'),
  ],
  'What a new instance changes, old ones see': [
    [
      'no',
      async ({ older, newer }) => {
        const person = await Person.loggedIn(older)
        await person.post(newer, '/set/round/1')
        await seen(person, newer, { ...ADA, round: '1' })
        await seen(person, older, ADA)
      },
    ],
    yes('newer', 'older'),
    yes('newer', 'older'),
  ],
  'Two requests at once that change different properties': [
    [
      'lose nothing on the new ones',
      async ({ older, newer }) => {
        const person = await Person.loggedIn(older)
        await bothAtOnce(person, [newer, newer])
        await seen(person, newer, { ...ADA, a: '1', b: '2' })
      },
    ],
    [
      'lose one of them, as ever with connect-redis',
      async ({ older, newer }) => {
        for (const instances of [
          [older, newer],
          [newer, older],
          [newer, newer],
        ] as [Instance, Instance][]) {
          const person = await Person.loggedIn(older)
          await bothAtOnce(person, instances)
          for (const at of [newer, older]) await seen(person, at, { ...ADA, b: '2' })
        }
      },
    ],
    [
      'lose nothing, unless both are on old instances and it has not been taken over yet',
      async ({ older, newer }) => {
        for (const instances of [
          [older, newer],
          [newer, older],
          [newer, newer],
        ] as [Instance, Instance][]) {
          const person = await Person.loggedIn(older)
          await bothAtOnce(person, instances)
          for (const at of [newer, older]) await seen(person, at, { ...ADA, a: '1', b: '2' })
          await bothAtOnce(person, [older, older])
          await seen(person, older, { ...ADA, a: '1', b: '2' })
        }
        const person = await Person.loggedIn(older)
        await bothAtOnce(person, [older, older])
        await seen(person, older, { ...ADA, b: '2' })
      },
    ],
  ],
  'Logout on a new instance ends it': [endsOnBoth('newer'), endsOnBoth('newer'), endsOnBoth('newer')],
  'Logout on an old instance ends it': [
    [
      'on both until it has been taken over, then on the old ones only',
      async ({ older, newer }) => {
        const before = await Person.loggedIn(older)
        await before.post(older, '/logout')
        for (const at of [newer, older]) await seen(before, at, NOBODY)
        const after = await metBy(newer, older)
        await after.post(older, '/logout')
        await seen(after, older, NOBODY)
        await seen(after, newer, ADA)
      },
    ],
    endsOnBoth('older'),
    endsOnBoth('older'),
  ],
  'A slow request on a new instance brings back a session that was logged out': [
    never('newer', ['newer']),
    never('newer', ['newer', 'older']),
    never('newer', ['newer', 'older']),
  ],
  'A slow request on an old instance does': [
    ['on the old ones; on the new ones not within an hour', broughtBack],
    [
      'on the old ones; on the new ones not, if the logout was on a new one and within an hour',
      async (pair) => {
        await broughtBack(pair)
        const { person } = await slowLogout(pair, pair.older, pair.older)
        for (const at of [pair.newer, pair.older]) await seen(person, at, { ...ADA, late: '1' })
      },
    ],
    never('older', ['newer', 'older']),
  ],
  'Activity on one side keeps the session alive on the other': [
    [
      'no',
      async ({ older, newer, sessions }) => {
        const person = await metBy(newer, older)
        const keys = [sessions.oldKey(person.sid), sessions.newKey(person.sid)]
        for (const [at, other] of [
          [older, 1],
          [newer, 0],
        ] as const) {
          await sessions.expireIn(MINUTE, keys)
          await person.seenBy(at)
          assert.ok((await sessions.longest([keys[other] as string])) <= MINUTE)
          assert.ok((await sessions.longest(keys)) > 60 * MINUTE)
        }
      },
    ],
    lives,
    lives,
  ],
}
describe('two versions that serve the same users', () => {
  const redis = useRedis()

  it('are described by the page as they are tried here', () => {
    const rows = tableRows(readPage(PAGE), 'What holds meanwhile')
    assert.deepEqual(
      rows,
      Object.entries(TABLE).map(([row, cells]) => [row, ...cells.map(([says]) => says)]),
    )
  })

  const columns = [
    ['connect-redis beside migrate', 'connectRedis', 'migrate'],
    ['connect-redis beside rolling', 'connectRedis', 'rolling'],
    ['rolling beside migrate', 'rolling', 'migrate'],
  ] as const
  columns.forEach(([title, older, newer], column) => {
    describe(title, () => {
      for (const [row, cells] of Object.entries(TABLE)) {
        const [says, holds] = cells[column] as Cell
        it(`${row}: ${says}`, { timeout: 60_000 }, async (t) => {
          const make = deployments(t, redis.client)
          await holds({ older: await make[older](), newer: await make[newer](), sessions: make.sessions })
        })
      }
    })
  })

  for (const options of [{}, { resave: true, rolling: true }]) {
    it(`are changed one after the other, in two steps, and nobody of 30 users notices ${JSON.stringify(options)}`, {
      timeout: 120_000,
    }, async (t) => {
      const make = deployments(t, redis.client)
      const instances = [
        await make.connectRedis(options),
        await make.connectRedis(options),
        await make.connectRedis(options),
      ]
      const people = await Promise.all(
        Array.from({ length: 30 }, (_, i) => Person.loggedIn(instances[i % 3] as Instance, `user ${i}`)),
      )
      let round = 0
      const go = async () => {
        round++
        await inParallel(people.length, 10, async (i) => {
          const [first, second] = [pick(instances), pick(instances)]
          const person = people[i] as Person
          const before = { user: `user ${i}`, ...(round > 1 && { round: String(round - 1) }) }
          assert.deepEqual(await person.seenBy(first), before)
          await person.post(second, `/set/round/${round}`)
          // Somebody logs out now and then, and in again.
          if ((i + round) % 7 !== 0) return
          const was = person.copy()
          await person.post(pick(instances), '/logout')
          for (const at of instances) assert.deepEqual(await was.copy().seenBy(at), NOBODY)
          await person.post(pick(instances), `/login/user ${i}`)
          await person.post(pick(instances), `/set/round/${round}`)
        })
      }
      await go()
      for (const version of ['rolling', 'migrate'] as const) {
        for (let at = 0; at < 3; at++) {
          instances[at] = await make[version](options)
          await go()
        }
      }
      const store = make.sessions.ours()
      assert.equal(await store.length(), people.length)
    })
  }
})

function pick(instances: readonly Instance[]): Instance {
  return instances[Math.floor(Math.random() * instances.length)] as Instance
}

describe('going back', () => {
  const redis = useRedis()

  /** Before: somebody who does nothing, somebody who logs out. On the new version: a change, a logout, a login. */
  async function used(t: TestContext, from: 'connectRedis' | 'rolling', to: 'rolling' | 'migrate') {
    const make = deployments(t, redis.client)
    const [older, newer] = [await make[from](), await make[to]()]
    const [idle, busy, gone] = [
      await Person.loggedIn(older),
      await Person.loggedIn(older),
      await Person.loggedIn(older),
    ]
    await busy.post(newer, '/set/round/1')
    await busy.post(newer, '/set/round/2')
    await seen(gone, newer, ADA)
    await gone.post(newer, '/logout')
    const late = await Person.loggedIn(newer)
    return { make, idle, busy, gone, late }
  }

  it('from the first of two steps to connect-redis: everything is there', async (t) => {
    const { make, idle, busy, gone, late } = await used(t, 'connectRedis', 'rolling')
    const back = await make.connectRedis()
    await seen(idle, back, ADA)
    await seen(busy, back, { ...ADA, round: '2' })
    await seen(gone, back, NOBODY)
    await seen(late, back, ADA)
  })

  it('from the second to the first: everything is there', async (t) => {
    const { make, idle, busy, gone, late } = await used(t, 'rolling', 'migrate')
    const back = await make.rolling()
    await seen(idle, back, ADA)
    await seen(busy, back, { ...ADA, round: '2' })
    await seen(gone, back, NOBODY)
    await seen(late, back, ADA)
    await busy.post(back, '/set/round/3')
    await seen(busy, await make.migrate(), { ...ADA, round: '3' })
  })

  for (const from of ['connectRedis', 'rolling'] as const) {
    it(`to connect-redis, from migrate after ${from}: as it was when it was taken over`, async (t) => {
      const { make, idle, busy, gone, late } = await used(t, from, 'migrate')
      const back = await make.connectRedis()
      await seen(idle, back, ADA)
      await seen(busy, back, ADA)
      await seen(gone, back, NOBODY)
      await seen(late, back, NOBODY)

      // Again, to another prefix: what connect-redis has made of it meanwhile.
      await seen(idle, await make.migrate(), ADA)
      await busy.post(back, '/set/round/7')
      await idle.copy().post(back, '/logout')
      const again = deployments(t, redis.client, new Sessions(redis.client, make.sessions.from))
      for (const at of [await again.rolling(), await again.migrate(), await again.rolling()]) {
        await seen(busy, at, { ...ADA, round: '7' })
        for (const person of [idle, gone, late]) await seen(person, at, NOBODY)
      }
      // Not to the same.
      await seen(idle, await make.migrate(), ADA)
    })
  }
})
