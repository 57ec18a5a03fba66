import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { requireRecentLogin, requireUser } from '../../src/core/guards.ts'
import type { SessionEvent, SessionStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { call } from '../store-contract.ts'
import { eventually } from '../support/http.ts'
import { codeOf } from '../users/support.ts'
import { ask, beginOld, open, passportUser, SECRET, signed, userOf } from './setup.ts'

const CLIENT = {
  userAgent: () => 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36',
  address: () => '192.0.2.77',
}

describe('a session of express-session', { timeout: 60_000 }, () => {
  const redis = useRedis()

  const inMemory = () => ({ store: memoryStore(), old: memoryStore(), check: async () => undefined })
  const onRedis = () => {
    const prefixes = [newPrefix(), newPrefix()] as const
    const [store, old] = prefixes.map((prefix) => redisStore(redis.client, { prefix })) as [SessionStore, SessionStore]
    return {
      store,
      old,
      check: async () => {
        for (const prefix of prefixes) await assertConsistent(redis.client, prefix)
      },
    }
  }

  for (const [where, stores] of [
    ['Redis', onRedis],
    ['memory', inMemory],
  ] as const) {
    describe(`on ${where}`, () => {
      it('goes on as one of ours, with its data and its user, and the answer carries the token', async (t) => {
        const { store, old, check } = stores()
        const sessions = open(store, old, {
          user: ({ passport, roles = [] }) => passport && { userId: String(passport.user), roles },
        })
        t.after(() => sessions.close())
        const told: SessionEvent[] = []
        for (const type of ['login', 'created', 'destroyed'] as const) sessions.on(type, (event) => told.push(event))
        const properties = { cart: ['tea', 'mate'], views: 3, passport: { user: 42 }, roles: ['editor'], name: null }
        const { id, cookie } = await beginOld(old, properties)
        const first = await ask(
          sessions,
          cookie,
          (session) => {
            const { userId, roles, data, idleTimeout, requestCount, ended } = session
            return { id: session.id, userId, roles, data: { ...data }, idleTimeout, requestCount, ended }
          },
          { client: CLIENT },
        )
        const { roles, ...data } = properties
        const { id: newId, ...said } = first.said
        assert.deepEqual(said, {
          ...{ userId: '42', roles, data, idleTimeout: 1_800_000, requestCount: 1, ended: false },
        })
        assert.ok(first.token !== null && first.token !== newId)
        // The token leads to it, and nothing more is owed.
        const second = await ask(sessions, `${cookie}; sid=${first.token}`, (session) => session.id)
        assert.deepEqual([second.said, second.setCookie], [newId, null])
        assert.deepEqual(await old.count(call()), { guests: 0, members: 0 })
        assert.deepEqual(await store.count(call()), { guests: 0, members: 1 })
        const [device] = await sessions.user('42').list()
        assert.deepEqual([device?.id, device?.device, device?.ip], [newId, 'Chrome on macOS', '192.0.2.0'])
        assert.ok(Math.abs((device?.deadline ?? 0) - (device?.createdAt ?? 0) - 12 * 3600_000) < 10)
        assert.deepEqual(
          told.map(({ type, cause, id, previous, userId }) => ({ type, cause, id, previous, userId })),
          [{ type: 'login', cause: 'adopt', id: newId, previous: id, userId: '42' }],
        )
        await check()
      })

      it('without a user goes on without one', async (t) => {
        const { store, old, check } = stores()
        const sessions = open(store, old)
        const { id, cookie } = await beginOld(old, { cart: ['tea'] })
        t.after(() => sessions.close())
        const told: unknown[] = []
        sessions.on('created', ({ cause, previous }) => told.push([cause, previous]))
        const { said, token } = await ask(sessions, cookie, ({ userId, data }) => ({ userId, cart: data.cart }))
        assert.deepEqual(said, { userId: null, cart: ['tea'] })
        assert.deepEqual((await sessions.load(token as string))?.data, { cart: ['tea'] })
        assert.deepEqual(told, [['adopt', id]])
        // And logs in with what it has.
        const login = await ask(sessions, `sid=${token}`, (session) => session.login('ada'))
        assert.deepEqual((await sessions.load(login.token as string))?.data, { cart: ['tea'] })
        assert.equal((await ask(sessions, cookie, ({ id }) => id)).said, null)
        await check()
      })

      it('has no fresh login, unless it says when that was', async () => {
        const { store, old, check } = stores()
        const now = store.now() ?? Date.now()
        const recent = requireRecentLogin('10m')
        for (const [authenticatedAt, decision] of [
          [undefined, 'ERR_RECENT_LOGIN_REQUIRED'],
          [now - 60_000, 'allow'],
          [now - 3600_000, 'ERR_RECENT_LOGIN_REQUIRED'],
        ] as const) {
          const user = () => ({ userId: 'ada', ...(authenticatedAt && { authenticatedAt }) })
          const sessions = open(store, old, { user })
          const { cookie } = await beginOld(old, {})
          const { token } = await ask(sessions, cookie, userOf)
          for (const header of [cookie, `sid=${token}`]) {
            const { said } = await ask(sessions, header, (session) => {
              const subject = {
                userId: session.userId,
                roles: session.roles,
                authenticatedAt: session.authenticatedAt,
                now: () => store.now(),
              }
              const decided = recent(subject)
              return [requireUser()(subject), decided === 'allow' ? decided : decided.code, subject.authenticatedAt]
            })
            assert.deepEqual(said, ['allow', decision, authenticatedAt ?? null])
          }
        }
        await check()
      })

      it('loses properties that coatcheck reserves, unless they are given other names', async () => {
        const { store, old, check } = stores()
        const properties = { roles: ['admin'], user_id: 'mallory', ip: 'x', _own: 1, name: 'Ada' }
        const plain = open(store, old)
        const renaming = open(store, old, {
          data: ({ roles, ...rest }) => ({ ...rest, roles, labels: roles, cart: undefined }),
        })
        for (const [sessions, data] of [
          [plain, { name: 'Ada' }],
          [renaming, { name: 'Ada', labels: ['admin'] }],
        ] as const) {
          const { cookie } = await beginOld(old, properties)
          const { said } = await ask(sessions, cookie, (session) => [
            session.userId,
            session.roles,
            { ...session.data },
          ])
          assert.deepEqual(said, [null, [], data])
        }
        await check()
      })

      it('need not fit the schema before it is read, and is migrated then', async () => {
        const { store, old, check } = stores()
        const schema = z.object({ views: z.number().optional() })
        const strict = open(store, old, {}, { schema })
        const migrating = open(store, old, {}, { schema, migrate: ({ views }) => ({ views: Number(views) }) })
        const { cookie } = await beginOld(old, { views: '3', passport: { user: 7 } })
        assert.equal((await ask(strict, cookie, userOf)).said, '7')
        assert.equal(await codeOf(ask(strict, cookie, ({ data }) => data.views)), 'ERR_DATA_INVALID')
        assert.equal((await ask(migrating, cookie, ({ data }) => data.views)).said, 3)
        await check()
      })

      it('counts for the limit: the oldest session of the user ends', async () => {
        const { store, old, check } = stores()
        const sessions = open(store, old, {}, { maxPerUser: 2 })
        const { token } = await sessions.create({}, { userId: '7' })
        for (let i = 0; i < 2; i++) {
          await ask(sessions, (await beginOld(old, { passport: { user: 7 } })).cookie, userOf)
        }
        assert.equal(await sessions.load(token), null)
        assert.equal((await sessions.user('7').list()).length, 2)
        await check()
      })

      it('stays where it is while its user is refused a further session, and goes on when there is room', async () => {
        const { store, old, check } = stores()
        const sessions = open(store, old, {}, { maxPerUser: { limit: 1, whenFull: 'refuse' } })
        const { token } = await sessions.create({}, { userId: '7' })
        const { id, cookie } = await beginOld(old, { passport: { user: 7 }, name: 'Ada' })
        for (let i = 0; i < 2; i++) {
          assert.equal((await ask(sessions, cookie, userOf)).said, null)
          await assertNotSealed(old, id)
        }
        await sessions.destroy(token)
        assert.equal((await ask(sessions, cookie, userOf)).said, '7')
        await check()
      })

      it('ends with the others when its user is logged out everywhere, though none of them knew of it', async () => {
        const { store, old, check } = stores()
        const sessions = open(store, old)
        const before = await beginOld(old, { passport: { user: 7 } })
        await sessions.user('7').revokeAll()
        assert.equal((await ask(sessions, before.cookie, userOf)).said, null)
        assert.deepEqual(await old.count(call()), { guests: 0, members: 0 })
        // One that begins later is another's; of one that begins within a round trip nobody can tell.
        await eventually(async () => {
          const { cookie } = await beginOld(old, { passport: { user: 7 } })
          return (await ask(sessions, cookie, userOf)).said === '7'
        })
        await check()
      })

      it('ends with the logout of a session beside it, else the next request would be logged in again', async () => {
        const { store, old, check } = stores()
        const sessions = open(store, old)
        const { token } = await sessions.create({}, { userId: '7' })
        const { cookie } = await beginOld(old, { passport: { user: 7 } })
        await ask(sessions, `${cookie}; sid=${token}`, (session) => session.logout())
        const { said, setCookie } = await ask(sessions, cookie, userOf)
        assert.deepEqual([said, setCookie], [null, null])
        assert.deepEqual(await old.count(call()), { guests: 0, members: 0 })
        await check()
      })

      it('is adopted too when the token beside it leads nowhere any more', async () => {
        const { store, old, check } = stores()
        const sessions = open(store, old)
        const { token } = await sessions.create({})
        await sessions.destroy(token)
        const { cookie } = await beginOld(old, { passport: { user: 7 } })
        assert.equal((await ask(sessions, `sid=${token}; ${cookie}`, userOf)).said, '7')
        // Without one that is right, the request has a session that has ended.
        assert.equal((await ask(sessions, `sid=${token}; connect.sid=x`, ({ ended }) => ended)).said, true)
        await check()
      })

      it('is left alone by a request whose answer can carry no cookie, which follows where another has adopted it', async () => {
        const { store, old, check } = stores()
        const sessions = open(store, old)
        const { cookie } = await beginOld(old, { passport: { user: 7 } })
        const upgrade = () => ask(sessions, cookie, userOf, { cookies: false })
        assert.equal((await upgrade()).said, null)
        assert.deepEqual(await old.count(call()), { guests: 1, members: 0 })
        await ask(sessions, cookie, userOf)
        assert.deepEqual((await upgrade()).said, '7')
        await check()
      })

      it('stays as it was when the application cannot say whose it is', async () => {
        const { store, old, check } = stores()
        const { id, cookie } = await beginOld(old, { passport: { user: 7 } })
        const wrong = {
          ERR_ARGUMENT: () => ({ userId: 7 as never }),
          'Error: no database': () => Promise.reject(new Error('no database')),
        }
        for (const [code, user] of Object.entries(wrong)) {
          assert.equal(await codeOf(ask(open(store, old, { user }), cookie, userOf)), code)
          await assertNotSealed(old, id)
        }
        const late = open(store, old, { user: () => ({ userId: '7', authenticatedAt: '1' as never }) })
        assert.equal(await codeOf(ask(late, cookie, userOf)), 'ERR_ARGUMENT')
        const slowly = async (...args: Parameters<typeof passportUser>) => passportUser(...args)
        assert.equal((await ask(open(store, old, { user: slowly }), cookie, userOf)).said, '7')
        await check()
      })
    })
  }

  it('is known by its cookie alone, whatever secret it was signed with', async () => {
    const { store, old } = inMemory()
    const sessions = open(store, old, { secret: ['new', SECRET], name: 'shop.sid' })
    for (const secret of [SECRET, 'new']) {
      const { sid } = await beginOld(old, { passport: { user: 7 } })
      const header = `a=b; shop.sid=${signed(sid, secret)}; connect.sid=x`
      assert.equal((await ask(sessions, header, userOf)).said, '7')
    }
    const { sid } = await beginOld(old, { passport: { user: 7 } })
    assert.equal((await ask(sessions, `shop.sid=${signed(sid, 'lost')}`, userOf)).said, null)
    // Of two of the same name, as express-session: the first.
    const another = signed((await beginOld(old, { passport: { user: 8 } })).sid, 'new')
    assert.equal((await ask(sessions, `shop.sid=${signed(sid)}; shop.sid=${another}`, userOf)).said, '7')
  })

  it('costs commands only when there is one', async () => {
    const sent: string[] = []
    const onCommand = ([command = '']: readonly string[]) => void sent.push(command)
    const store = redisStore(redis.client, { prefix: newPrefix(), onCommand })
    const old = redisStore(redis.client, { prefix: newPrefix(), onCommand })
    const sessions = open(store, old)
    const { sid, cookie } = await beginOld(old, { passport: { user: 7 } })
    // The server knows all scripts, and this process the server's clock.
    await ask(sessions, (await beginOld(old, { passport: { user: 8 } })).cookie, userOf)
    const commandsOf = async (header: string | undefined) => {
      sent.length = 0
      const answer = await ask(sessions, header, userOf)
      return { commands: sent.join(' '), ...answer }
    }
    const none = [
      undefined,
      'a=b',
      `connect.sid=${sid}`,
      `connect.sid=s%3A${sid}`,
      `connect.sid=${encodeURIComponent(`s:${sid}.${'A'.repeat(43)}`)}`,
      `connect.sid=${signed(sid, 'forged')}`,
      `connect.sid=${signed(sid).replace(sid[0] as string, sid[0] === 'x' ? 'y' : 'x')}`,
      `connect.sid=${signed('')}`,
      'connect.sid=s%3A',
      `connect.sid=${signed(sid).replace('s%3A', 'j%3A')}`,
      `other.sid=${signed(sid)}`,
    ]
    for (const header of none) {
      const { commands, said } = await commandsOf(header)
      assert.deepEqual([commands, said], ['', null], String(header))
    }
    const adoption = await commandsOf(cookie)
    assert.deepEqual([adoption.commands, adoption.said], ['HGETALL EVALSHA EVALSHA EVALSHA', '7'])
    assert.deepEqual((await commandsOf(`${cookie}; sid=${adoption.token}`)).commands, 'HGETALL')
    // In the grace, as in that of a rotation.
    assert.deepEqual((await commandsOf(cookie)).commands, 'HGETALL HGETALL')
    assert.deepEqual((await commandsOf(`connect.sid=${signed('of nobody')}`)).commands, 'HGETALL')
  })

  it('is adopted by scripts of which none touches both stores, as a cluster demands', async () => {
    const scripts: string[][] = []
    const onCommand = ([command, , keys, ...words]: readonly string[]) => {
      if (command === 'EVALSHA') scripts.push(words.slice(0, Number(keys)))
    }
    const [store, old] = [newPrefix(), newPrefix()].map((prefix) =>
      redisStore(redis.client, { prefix, onCommand }),
    ) as [SessionStore, SessionStore]
    const { cookie } = await beginOld(old, { passport: { user: 7 } })
    scripts.length = 0
    await ask(open(store, old), cookie, userOf)
    assert.equal(scripts.length, 3)
    for (const keys of scripts) {
      assert.equal(new Set(keys.map((key) => /\{\w\w\}/.exec(key)?.[0])).size, 1, keys.join(' '))
    }
  })
})

/** Nobody has to wait for a seal to lapse. */
async function assertNotSealed(old: SessionStore, id: string): Promise<void> {
  const record = await old.load(id, null, call())
  if (record === null || 'status' in record) assert.fail('there is no such session')
  assert.equal(record.fields.has('_sealed_by'), false)
}
