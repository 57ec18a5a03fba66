import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { useRedis } from '../redis/support.ts'
import { inParallel } from '../support/http.ts'
import { assertEveryKeyExpires } from '../support/redis-server.ts'
import { Sessions } from './connect-redis-sessions.ts'

const SESSIONS = 10_000
const SECOND = 1000
const DAY = 24 * 60 * 60 * SECOND

const LIVES = [
  { maxAge: 10 * 60 * SECOND },
  { maxAge: 14 * DAY + 123 },
  { ttl: 3600 },
  { ttl: 30 * 24 * 3600 },
  { disableTTL: true },
  { disableTTL: true, maxAge: 2 * DAY },
]

/** What applications keep, and what they had better not. */
const DATA: readonly ((i: number) => object)[] = [
  (i) => ({ user: `user ${i}`, views: i, ratio: i / 7, admin: i % 2 === 0, nothing: null }),
  (i) => ({ cart: [{ id: i, options: { size: 'L', colours: ['red', null, 7] } }], empty: {}, none: [] }),
  (i) => ({ since: new Date(1e12 + i), passport: { user: String(i) }, flash: { error: ['no', 'No!'] } }),
  (i) => ({ имя: `Ада ${i}`, '👜': '☂️', lone: '\ud800', nul: 'a\u0000b', lines: 'a\r\n\tb ' }),
  (i) => ({
    number: String(i),
    zero: '007',
    exponent: '1e5',
    yes: 'true',
    none: 'null',
    object: '{"a":1}',
    quote: '"',
    '': '',
  }),
  (i) => ({ roles: ['admin'], user_id: i, created_at: 'x', deadline: null, session_ttl: '1', ip: '::1', device: 0 }),
  (i) => ({ _x: i, _cookie: 'c', _expires: 1, _ended: 'e', '_p:x': 2, '_p:': 3, '_j:"x"': 4, _from: '1', _v: '9' }),
  (i) =>
    JSON.parse(`{"__proto__":{"polluted":${i}},"constructor":1,"toString":"t","\\ud800":5,"${'n'.repeat(300)}":6}`),
  (i) => ({ note: 'long '.repeat(2000), list: Array.from({ length: 300 }, (_, at) => at * i) }),
  () => ({}),
]

describe(`${SESSIONS} sessions of connect-redis`, () => {
  const redis = useRedis()

  it('are taken over by first requests at once, on several instances, with every value and the time that they had', {
    timeout: 300_000,
  }, async () => {
    const sessions = new Sessions(redis.client)
    const theirs = sessions.theirs()
    const sids: string[] = []
    await inParallel(SESSIONS, 100, async (i) => {
      const data = DATA[i % DATA.length]?.(i) ?? {}
      sids.push(await sessions.keep(data, LIVES[i % LIVES.length]))
    })
    const clients = await Promise.all([1, 2, 3].map(() => redis.server.connect()))
    const instances = clients.map((client) => sessions.ours({ client }))

    await inParallel(SESSIONS, 100, async (i) => {
      const sid = sids[i] as string
      const before = await theirs.get(sid)
      const started = performance.now()
      const oldLeft = await redis.client.pTTL(sessions.oldKey(sid))
      // Two at once for each, and six for every tenth.
      const asked = i % 10 === 0 ? [...instances, ...instances] : [instances[i % 3], instances[(i + 1) % 3]]
      const found = await Promise.all(asked.map((store) => store?.get(sid)))
      const [left, copyLeft] = await Promise.all(
        [sessions.newKey(sid), sessions.oldKey(sid)].map((key) => redis.client.pTTL(key)),
      )
      for (const session of found) assert.deepEqual(session, before)
      const expected = oldLeft === -1 ? DAY : oldLeft
      const passed = performance.now() - started
      // In Redis no more time has passed than here, but it looks at its clock now and then only.
      const lost = expected - (left as number)
      assert.ok(lost >= -SECOND && lost <= passed + 20, `${lost} ms lost in ${passed} ms`)
      assert.ok((copyLeft as number) > 0)
    })

    const another = sessions.ours()
    assert.equal(await another.length(), SESSIONS)
    assert.equal((await another.ids()).length, SESSIONS)
    assert.ok((await assertEveryKeyExpires(redis.client)) >= 2 * SESSIONS)
    await inParallel(SESSIONS, 100, async (i) => {
      const sid = sids[i] as string
      assert.deepEqual(await another.get(sid), await theirs.get(sid))
    })
    assert.equal(await another.length(), SESSIONS)
  })
})
