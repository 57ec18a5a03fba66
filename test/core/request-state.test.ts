import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Logins } from '../../src/core/logins.ts'
import { openRequest } from '../../src/core/open-request.ts'
import type { SessionsOptions } from '../../src/core/options.ts'
import type { RequestState } from '../../src/core/request-state.ts'
import { Session } from '../../src/core/session.ts'
import { isToken } from '../../src/core/token.ts'
import { createSessions } from '../../src/index.ts'
import { operationsOn, type TestStore, testStore } from './support.ts'

// The session of one request, as applications (through Session) and adapters (through RequestState) use it.

function start(options: Omit<SessionsOptions, 'store'> = {}) {
  const store = testStore()
  const operations = operationsOn(store, options)
  const sessions = createSessions<Record<string, unknown>>({ store, touchInterval: '1m' })
  return {
    store,
    operations,
    sessions,
    /** A request with this token. */
    async request(token?: string) {
      const state = await openRequest(operations, token && `a=b; __Host-sid=${token}`)
      return { state, session: new Session<Record<string, unknown>>(state, new Logins(operations, operations.events)) }
    },
    /** What an adapter does at the end of a request. */
    async finish(state: RequestState) {
      const changes = state.pending()
      if (changes !== null) await state.commit(changes)
      return tokenIn(state.takeCookie())
    },
    /** A session begun with these data, and no calls noted so far. */
    async begun(data: Record<string, unknown> = {}) {
      const created = await sessions.create(data)
      store.calls.length = 0
      return created
    },
  }
}

function tokenIn(cookie: string | null): string | null {
  const value = cookie?.match(/^__Host-sid=([^;]*);/)?.[1]
  return value === undefined ? null : value
}

const written = ({ calls }: TestStore) => calls.filter((name) => name !== 'load')

describe('a request without a session', () => {
  it('reads nothing, stores nothing and sets no cookie until something is written', async () => {
    const { store, request, finish } = start()
    const { state, session } = await request()
    assert.deepEqual(session.data, {})
    assert.deepEqual(
      [session.id, session.userId, session.createdAt, session.deadline, session.expiresAt],
      Array(5).fill(null),
    )
    assert.deepEqual([session.ended, session.lastAccessedAt, session.idleTimeout], [false, null, 1_800_000])
    assert.equal(state.owesCookie, false)
    assert.equal(await finish(state), null)
    assert.deepEqual(store.calls, [])
  })

  it('stores nothing for changes that were taken back, for undefined, or for an idle timeout alone', async () => {
    const { store, request, finish } = start()
    const { state, session } = await request()
    session.data.a = 1
    delete session.data.a
    session.data.b = undefined
    session.setIdleTimeout('5m')
    assert.equal(await session.update('c', () => undefined), undefined)
    await session.commit()
    await session.rotate()
    assert.equal(await finish(state), null)
    assert.deepEqual(store.calls, [])
  })

  it('begins one with what was written, and hands out its token once', async () => {
    const { store, request, finish, sessions } = start()
    const { state, session } = await request()
    session.data.name = 'Ada'
    session.setIdleTimeout('5m')
    const token = await finish(state)
    assert.ok(isToken(token))
    assert.deepEqual(store.calls, ['create'])
    const stored = (await sessions.peek(token)) ?? assert.fail()
    assert.deepEqual([stored.data, stored.idleTimeout], [{ name: 'Ada' }, 300_000])
    assert.deepEqual(
      [session.id, session.createdAt, session.lastAccessedAt, session.deadline, session.idleTimeout, session.expiresAt],
      [stored.id, stored.createdAt, stored.lastAccessedAt, stored.deadline, 300_000, stored.expiresAt],
    )
    assert.equal(state.owesCookie, false)
    assert.equal(state.takeCookie(), null)
    assert.equal(state.pending(), null)
  })

  for (const [how, write, data] of [
    ['an increment', (session: Session) => session.increment('n' as never, 5), { n: 5 }],
    ['an update', (session: Session) => session.update('n', (n = []) => [...(n as []), 1]), { n: [1] }],
  ] as const) {
    it(`begins one at once by ${how}`, async () => {
      const { store, request, finish, sessions } = start()
      const { state, session } = await request()
      assert.deepEqual(await write(session), data.n)
      assert.deepEqual(store.calls, ['create'])
      assert.deepEqual({ ...session.data }, data)
      assert.deepEqual((await sessions.find(session.id ?? ''))?.data, data)
      assert.ok(isToken(await finish(state)))
    })
  }

  it('begins one, not several, when several writes come at once', async () => {
    const { store, request, finish, sessions } = start()
    const { state, session } = await request()
    session.data.name = 'Ada'
    const values = await Promise.all([
      session.increment('n' as never),
      session.increment('n' as never),
      session.update('list', (list = []) => [...(list as []), 1]),
      session.commit(),
    ])
    assert.deepEqual(values.slice(0, 3), [1, 2, [1]])
    const token = await finish(state)
    assert.deepEqual((await sessions.peek(token ?? ''))?.data, { n: 2, list: [1], name: 'Ada' })
    assert.equal(store.calls.filter((name) => name === 'create').length, 1)
  })

  it('keeps what was changed while the session was being begun', async () => {
    const { request, finish, sessions } = start()
    const { state, session } = await request()
    Object.assign(session.data, { a: 1, b: 1 })
    const first = session.commit()
    session.data.a = 2
    delete session.data.b
    await first
    const token = await finish(state)
    assert.deepEqual((await sessions.peek(token ?? ''))?.data, { a: 2 })
  })

  it('tells everyone who waits for the beginning that it failed, and can try again', async () => {
    const { store, request, finish, sessions } = start()
    const { state, session } = await request()
    store.next('create', async () => {
      throw new RangeError('no store')
    })
    const results = await Promise.allSettled([session.increment('n' as never), session.increment('n' as never)])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(state.owesCookie, false)
    assert.equal(await session.increment('n' as never), 1)
    assert.deepEqual((await sessions.peek((await finish(state)) ?? ''))?.data, { n: 1 })
  })
})

describe('a request with a session', () => {
  it('knows whose it is, since when, and until when', async () => {
    const { request, sessions } = start({ idleTimeout: '1m' })
    const { token, id } = await sessions.create({}, { userId: 'ada', lifetime: '10m' })
    const { session } = await request(token)
    const { createdAt, lastAccessedAt, deadline, expiresAt } = session
    assert.deepEqual([session.id, session.userId, session.ended], [id, 'ada', false])
    assert.deepEqual([lastAccessedAt, deadline], [createdAt, (createdAt ?? 0) + 600_000])
    assert.equal(expiresAt, (createdAt ?? 0) + session.idleTimeout)
  })

  it('reads it, and writes nothing when nothing was changed', async () => {
    const { store, request, finish, begun } = start()
    const { token, id } = await begun({ name: 'Ada', list: [1] })
    const { state, session } = await request(token)
    assert.deepEqual([session.id, { ...session.data }, session.ended], [id, { name: 'Ada', list: [1] }, false])
    assert.equal(await finish(state), null)
    await session.commit()
    assert.deepEqual(store.calls, ['load'])
  })

  it('writes what was changed, once, and sets no cookie', async () => {
    const { store, request, finish, begun, sessions } = start()
    const { token } = await begun({ name: 'Ada', list: [1], gone: 1 })
    const { state, session } = await request(token)
    ;(session.data.list as number[]).push(2)
    delete session.data.gone
    assert.equal(await finish(state), null)
    assert.equal(await finish(state), null)
    assert.deepEqual(store.calls, ['load', 'commit'])
    assert.deepEqual((await sessions.peek(token))?.data, { name: 'Ada', list: [1, 2] })
    // What it knows of the session goes on from there.
    session.data.more = true
    await finish(state)
    assert.deepEqual((await sessions.peek(token))?.data, { name: 'Ada', list: [1, 2], more: true })
  })

  it('writes only its own changes: another request changes other fields', async () => {
    const { request, finish, begun, sessions } = start()
    const { token } = await begun({ a: 1, b: 1, c: 1 })
    const [first, second] = [await request(token), await request(token)]
    first.session.data.a = 2
    second.session.data.b = 2
    delete second.session.data.c
    await Promise.all([finish(first.state), finish(second.state)])
    assert.deepEqual((await sessions.peek(token))?.data, { a: 2, b: 2 })
  })

  it('changes its idle timeout with the other changes', async () => {
    const { store, request, finish, begun, sessions } = start()
    const { token } = await begun({ name: 'Ada' })
    const { state, session } = await request(token)
    session.setIdleTimeout('2m')
    assert.equal(session.idleTimeout, 120_000)
    await finish(state)
    await finish(state)
    assert.deepEqual(written(store), ['commit'])
    assert.equal((await sessions.peek(token))?.idleTimeout, 120_000)
    assert.equal(session.expiresAt, (await sessions.peek(token))?.expiresAt)
    for (const wrong of [0, -1, '13h', Number.NaN, 'x']) {
      assert.throws(() => session.setIdleTimeout(wrong), { code: 'ERR_ARGUMENT' })
    }
  })

  it('counts and updates at once, and sees the result in its data, unwritten again', async () => {
    const { store, request, finish, begun } = start()
    const { token } = await begun({ n: 1, list: [1] })
    const { state, session } = await request(token)
    assert.equal(session.data.n, 1)
    assert.equal(await session.increment('n' as never, 4), 5)
    assert.deepEqual(await session.update('list', (list) => [...(list as []), 2]), [1, 2])
    assert.equal(await session.update('gone', () => undefined), undefined)
    assert.deepEqual({ ...session.data }, { n: 5, list: [1, 2] })
    assert.deepEqual(written(store), ['commit', 'update', 'update'])
    await finish(state)
    assert.equal(written(store).length, 3)
    ;(session.data.list as number[]).push(3)
    await finish(state)
    assert.deepEqual(written(store).length, 4)
  })

  it('refuses to count or update what it has changed and not committed', async () => {
    const { store, request, begun } = start()
    const { token } = await begun({ n: 1, list: [1] })
    const { session } = await request(token)
    session.data.n = 2
    ;(session.data.list as number[]).push(2)
    const uncommitted = { code: 'ERR_FIELD_UNCOMMITTED' }
    await assert.rejects(session.increment('n' as never), { ...uncommitted, field: 'n' })
    await assert.rejects(
      session.update('list', () => []),
      { ...uncommitted, field: 'list' },
    )
    assert.deepEqual(written(store), [])
    await session.commit()
    assert.equal(await session.increment('n' as never), 3)
  })

  it('refuses names, amounts and values that cannot be, before anything is sent', async () => {
    const { store, request, begun } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    await assert.rejects(session.increment('_v' as never), { code: 'ERR_FIELD_RESERVED' })
    await assert.rejects(session.increment('' as never), { code: 'ERR_FIELD_NAME' })
    await assert.rejects(session.increment('n' as never, 1.5), { code: 'ERR_ARGUMENT' })
    await assert.rejects(
      session.update('deadline', () => 1),
      { code: 'ERR_FIELD_RESERVED' },
    )
    session.data.map = new Map()
    assert.throws(() => state.pending(), { code: 'ERR_FIELD_VALUE', field: 'map' })
    await assert.rejects(session.commit(), { code: 'ERR_FIELD_VALUE' })
    assert.deepEqual(written(store), [])
  })

  it('forgets its changes when the handler has failed', async () => {
    const { store, request, finish, begun } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    session.data.n = 2
    session.setIdleTimeout('2m')
    state.discard()
    assert.equal(await finish(state), null)
    assert.deepEqual([written(store), session.data.n, session.idleTimeout], [[], 1, 1_800_000])
  })
})

describe('a request whose session has ended', () => {
  it('is told so, is treated as one without, and keeps its cookie', async () => {
    const { store, request, finish, begun, sessions } = start()
    const { token } = await begun({ name: 'Ada' })
    await sessions.destroy(token)
    store.calls.length = 0
    const { state, session } = await request(token)
    assert.deepEqual([session.ended, session.id, session.data], [true, null, {}])
    assert.equal(await finish(state), null)
    assert.deepEqual(store.calls, ['load'])
    session.data.name = 'Grace'
    const fresh = await finish(state)
    assert.ok(isToken(fresh) && fresh !== token)
    assert.equal(await sessions.peek(token), null)
  })

  it('meanwhile is told when it writes, and nothing is written', async () => {
    const { request, finish, begun, sessions } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    await sessions.destroy(token)
    session.data.name = 'Ada'
    const ended = { code: 'ERR_SESSION_ENDED', status: 401 }
    await assert.rejects(finish(state), ended)
    await assert.rejects(session.increment('n' as never), ended)
    await assert.rejects(
      session.update('n', () => 5),
      ended,
    )
    await assert.rejects(session.rotate(), ended)
    assert.equal(await sessions.peek(token), null)
    assert.equal(state.owesCookie, false)
  })
})

describe('a rotation within a request', () => {
  it('hands out the new token, and the request goes on with the session', async () => {
    const { request, finish, begun, sessions } = start()
    const { token, id } = await begun({ n: 1 })
    const { state, session } = await request(token)
    await session.rotate()
    session.data.n = 2
    const fresh = await finish(state)
    assert.ok(isToken(fresh) && fresh !== token)
    assert.notEqual(session.id, id)
    assert.deepEqual((await sessions.peek(fresh))?.data, { n: 2 })
    assert.equal((await sessions.peek(fresh))?.id, session.id)
  })

  it('by another request is not followed by a second one, and this one hands out nothing', async () => {
    const { request, finish, begun, sessions } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    const rotated = await sessions.rotate(token)
    await session.rotate()
    session.data.n = 2
    assert.equal(await finish(state), null)
    assert.equal(session.id, rotated.id)
    assert.deepEqual((await sessions.peek(rotated.token ?? ''))?.data, { n: 2 })
    // Nor by a request that came with the old token.
    const late = await request(token)
    await late.session.rotate()
    assert.equal(await finish(late.state), null)
    assert.equal(late.session.id, rotated.id)
  })
})

describe('a logout', () => {
  it('ends the session, forgets its data, and clears the cookie', async () => {
    const { request, begun, sessions } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    session.data.n = 2
    session.setIdleTimeout('2m')
    await session.logout()
    assert.deepEqual([session.id, session.data, state.pending(), session.idleTimeout], [null, {}, null, 1_800_000])
    assert.match(state.takeCookie() ?? '', /^__Host-sid=; Max-Age=0/)
    assert.equal(await sessions.peek(token), null)
  })

  it('clears the cookie also without a session, and when the store fails', async () => {
    const { store, request, begun } = start()
    const nobody = await request()
    await nobody.session.logout()
    assert.match(nobody.state.takeCookie() ?? '', /Max-Age=0/)
    const { token } = await begun()
    const { state, session } = await request(token)
    store.next('destroy', async () => {
      throw new RangeError('no store')
    })
    await assert.rejects(session.logout(), RangeError)
    assert.match(state.takeCookie() ?? '', /Max-Age=0/)
  })

  it('is followed by a new session, with a new token, when something is written', async () => {
    const { request, finish, begun, sessions } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    await session.logout()
    session.data.after = true
    const fresh = (await finish(state)) ?? ''
    assert.ok(isToken(fresh) && fresh !== token)
    assert.deepEqual((await sessions.peek(fresh))?.data, { after: true })
  })

  it('wins over writes of the same request that are on their way', async () => {
    const { request, begun, sessions } = start()
    for (const write of [
      (session: Session) => session.commit(),
      (session: Session) => session.increment('m' as never),
      (session: Session) => session.update('m', () => 1),
    ]) {
      const { token } = await begun({ n: 1 })
      const { session } = await request(token)
      session.data.n = 2
      const [writing] = await Promise.allSettled([write(session), session.logout()])
      if (writing.status === 'rejected') assert.equal(writing.reason.code, 'ERR_SESSION_ENDED')
      assert.deepEqual([session.id, session.data], [null, {}])
      assert.equal(await sessions.peek(token), null)
    }
  })

  it('that waits for the session to begin is not undone by writes that wait behind it', async () => {
    const { store, request } = start()
    const { session } = await request()
    const beginning = session.increment('n' as never)
    const leaving = session.logout()
    session.data.name = 'Ada'
    const late = [session.commit(), session.increment('m' as never), session.update('m', () => 1)]
    const ended = { code: 'ERR_SESSION_ENDED', status: 401 }
    await Promise.all(late.map((writing) => assert.rejects(writing, ended)))
    await Promise.all([beginning, leaving])
    assert.deepEqual(store.calls, ['create', 'destroy'])
    assert.deepEqual(await store.count({} as never), { guests: 0, members: 0 })
  })

  it('ends the session that this request has begun', async () => {
    const { store, request } = start()
    const { state, session } = await request()
    const creating = session.increment('n' as never)
    await session.logout()
    await creating
    assert.match(state.takeCookie() ?? '', /Max-Age=0/)
    assert.deepEqual(await store.count({} as never), { guests: 0, members: 0 })
  })

  it('of a session that is still being begun comes before the writes that follow it', async () => {
    const { store, request } = start()
    for (const write of [
      (session: Session<Record<string, unknown>>) => session.commit(),
      (session: Session<Record<string, unknown>>) => session.increment('views' as never),
      (session: Session<Record<string, unknown>>) => session.update('cart', () => ['hat']),
    ]) {
      const { state, session } = await request()
      session.data.name = 'Ada'
      const begun = session.commit()
      const loggedOut = session.logout()
      await assert.rejects(write(session), { code: 'ERR_SESSION_ENDED' })
      await Promise.all([begun, loggedOut])
      assert.deepEqual([session.id, session.data], [null, {}])
      assert.match(state.takeCookie() ?? '', /Max-Age=0/)
      assert.deepEqual(await store.count({} as never), { guests: 0, members: 0 })
    }
  })
})

describe('a request whose head has left', () => {
  it('can write to its session, and begin, rotate or log out none', async () => {
    const { request, finish, begun, sessions } = start()
    const { token } = await begun({ n: 1 })
    const { state, session } = await request(token)
    state.headSent = true
    session.data.n = 2
    assert.equal(await session.increment('m' as never), 1)
    assert.equal(await finish(state), null)
    assert.deepEqual((await sessions.peek(token))?.data, { n: 2, m: 1 })
    const sent = { code: 'ERR_HEADERS_SENT' }
    await assert.rejects(session.rotate(), sent)
    await assert.rejects(session.logout(), sent)
    assert.ok(await sessions.peek(token))

    const nobody = await request()
    nobody.state.headSent = true
    nobody.session.data.n = 1
    await assert.rejects(nobody.session.commit(), sent)
    await assert.rejects(nobody.session.increment('m' as never), sent)
    assert.equal(await sessions.count(), 1)
  })
})

describe('the cookie of a request', () => {
  it('is kept by the browser no longer than the session can last', async () => {
    const { request, finish } = start({ cookie: { maxAge: '1h' }, lifetime: '10m', idleTimeout: '5m' })
    const { state, session } = await request()
    session.data.n = 1
    await state.commit()
    assert.match(state.takeCookie() ?? '', /Max-Age=600;/)
    assert.equal(await finish(state), null)
  })
})

describe('the session of a request object', () => {
  it('is known after the adapter has opened it, once', async () => {
    const { sessions } = start()
    const req = {}
    assert.throws(() => sessions.of(req), { code: 'ERR_MOUNT', message: /mount/ })
    await sessions.openRequest(req, undefined)
    assert.equal(sessions.of(req), sessions.of(req))
    await assert.rejects(async () => sessions.openRequest(req, undefined), { code: 'ERR_MOUNT', message: /twice/ })
    assert.throws(() => sessions.of({}), { code: 'ERR_MOUNT' })
    assert.throws(() => createSessions({ store: testStore() }).of(req), { code: 'ERR_MOUNT' })
    await pause(0)
  })

  it('takes no property of its own: as a field it would be lost', async () => {
    const { sessions } = start()
    const req = {}
    await sessions.openRequest(req, undefined)
    const session = sessions.of(req) as unknown as Record<string, unknown>
    const refused = {
      name: 'TypeError',
      message: 'A session takes no property: write session.data.cart.',
    }
    assert.throws(() => {
      session.cart = ['apple']
    }, refused)
    const inSloppyMode = new Function('session', "session.cart = ['apple']")
    assert.throws(() => inSloppyMode(session), refused)
    assert.equal(session.cart, undefined)
    assert.deepEqual(sessions.of(req).data, {})
  })
})
