import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { SessionCookie } from '../../src/core/cookie.ts'
import { newToken } from '../../src/core/token.ts'
import { createSessions, type SessionEvent, type Sessions, type SessionsOptions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { redisStore } from '../../src/redis.ts'
import { startRedis } from '../support/redis-server.ts'
import { anchors, links, readPage, tableRows } from './pages.ts'

// docs/security.md leaves no item out, and what it says that no other test holds is so.

const PAGE = readPage('docs/security.md')

describe('the items of ASVS 5.0.0', () => {
  // How many items each section has, in 5.0/docs_en/OWASP_Application_Security_Verification_Standard_5.0.0_en.csv of the
  // standard's repository.
  const SECTIONS = { 'V7.1': 3, 'V7.2': 4, 'V7.3': 2, 'V7.4': 5, 'V7.5': 3, 'V7.6': 2, 'V3.3': 5 }
  const headings = PAGE.match(/(?<=^## )ASVS .*$/gm) ?? []

  test('are all there, once, in order', () => {
    const expected = Object.entries(SECTIONS).flatMap(([section, count]) =>
      Array.from({ length: count }, (_, i) => `${section.slice(1)}.${i + 1}`),
    )
    const listed = headings.flatMap((heading) => tableRows(PAGE, heading).map(([item = '']) => item.split(' ')[0]))
    assert.deepEqual(listed, expected)
    assert.equal(anchors(PAGE).filter((anchor) => anchor.startsWith('asvs-')).length, headings.length)
  })

  test('say what the app must do, and name a test wherever coatcheck does something', () => {
    for (const heading of headings) {
      for (const [item, gist, ours = '', yours] of tableRows(PAGE, heading)) {
        assert.ok(gist && yours, item)
        if (ours !== 'nothing') assert.ok(testsIn(ours).length > 0, `${item}: ${ours}`)
      }
    }
  })

  test('and so does every threat', () => {
    const rows = tableRows(PAGE, 'What somebody may try')
    assert.ok(rows.length >= 6)
    for (const [threat, , held = ''] of rows) assert.ok(testsIn(held).length > 0, threat)
  })
})

function testsIn(cell: string): string[] {
  return links(cell).filter((link) => /^\.\.\/test\/[\w/.-]+\.ts$/.test(link))
}

const open = (options: Omit<SessionsOptions, 'store' | 'schema'> = {}): Sessions =>
  createSessions({ store: memoryStore(), ...options })

describe('what docs/security.md says', () => {
  test('the cookie takes far less than 4,096 bytes', () => {
    const cookie = new SessionCookie()
    const token = newToken()
    assert.equal(token.length, 43)
    assert.ok(`${cookie.name}${token}`.length < 100)
  })

  test('nothing that stands in Redis is a token, so that reading it logs nobody in', async (t) => {
    const redis = await startRedis()
    t.after(() => redis.stop())
    const sessions = createSessions({ store: redisStore(await redis.connect()) })
    const { token } = await sessions.create({ name: 'Ada' }, { userId: 'ada', roles: ['admin'] })
    const rotated = await sessions.rotate(token)
    const text = JSON.stringify(await redis.dump())
    assert.ok(text.includes(rotated.id.slice(2)))
    const words = new Set(text.match(/[\w-]+/g))
    // What stands there, and what could be cut out of it.
    const candidates = [...words].flatMap((word) =>
      Array.from({ length: Math.max(1, word.length - 42) }, (_, i) => word.slice(i, i + 43)),
    )
    assert.ok(candidates.length > 10)
    for (const candidate of [...candidates, rotated.id, rotated.id.slice(2)]) {
      assert.equal(await sessions.load(candidate), null, candidate)
    }
    assert.ok(await sessions.load(rotated.token!))
  })

  test('a copy of a token that was rotated away is noticed, and ends the session where that is asked for', async () => {
    for (const revokeOnReuse of [false, true]) {
      const sessions = open({ rotationGrace: 0, revokeOnReuse })
      const heard: SessionEvent[] = []
      sessions.on('reuse', (event) => heard.push(event))
      sessions.on('revoked', (event) => heard.push(event))
      const { token } = await sessions.create({}, { userId: 'ada' })
      const rotated = await sessions.rotate(token)
      assert.equal(await sessions.load(token), null)
      assert.deepEqual(
        heard.map(({ type, userId, cause }) => [type, userId, cause]),
        [['reuse', 'ada', 'reuse'], ...(revokeOnReuse ? [['revoked', 'ada', 'reuse']] : [])],
      )
      assert.equal((await sessions.load(rotated.token!)) === null, revokeOnReuse)
    }
  })

  test('a user can neither see nor end the session of another by its id', async () => {
    const sessions = open()
    const [ada, grace] = [await sessions.create({}, { userId: 'ada' }), await sessions.create({}, { userId: 'grace' })]
    const own = sessions.user('ada')
    assert.deepEqual(
      (await own.list()).map(({ id }) => id),
      [ada.id],
    )
    assert.equal(await own.revoke(grace.id), false)
    await assert.rejects(own.revokeOthers(grace.id), { code: 'ERR_SESSION_ENDED' })
    assert.ok(await sessions.load(grace.token))
    assert.ok(await sessions.load(ada.token))
  })

  test('what has not the form of an id is looked up nowhere', async () => {
    const store = memoryStore()
    const asked: string[] = []
    for (const name of ['load', 'destroy', 'revokeUser'] as const) {
      const method = store[name].bind(store) as (...args: unknown[]) => unknown
      const noted = (...args: unknown[]) => {
        asked.push(name)
        return method(...args)
      }
      Object.assign(store, { [name]: noted })
    }
    const sessions = createSessions({ store })
    for (const id of ['', '*', '../x', 'x'.repeat(24), 'a\n', '{xx}', 'a'.repeat(100_000)]) {
      assert.equal(await sessions.find(id), null)
      assert.equal(await sessions.revoke(id), false)
      assert.equal(await sessions.user('ada').revoke(id), false)
      await assert.rejects(sessions.user('ada').revokeOthers(id), { code: 'ERR_SESSION_ENDED' })
    }
    assert.deepEqual(asked, [])
  })

  test('errors and events hold neither token nor data', async () => {
    const sessions = open({ maxPerUser: { limit: 1, whenFull: 'refuse' }, rotationGrace: 0 })
    const said: unknown[] = []
    for (const type of [
      'created',
      'login',
      'rotated',
      'destroyed',
      'revoked',
      'evicted',
      'roles',
      'reuse',
      'refused',
    ] as const) {
      sessions.on(type, (event) => said.push(event))
    }
    const secret = 'what is in the session'
    const { token } = await sessions.create({ secret })
    const { token: next } = await sessions.rotate(token)
    const user = await sessions.create({ secret }, { userId: 'ada' })
    const failing = [
      () => sessions.load(token),
      () => sessions.create({ secret }, { userId: 'ada' }),
      () => sessions.increment(next!, 'secret' as never),
      () => sessions.set(next!, { secret, other: () => secret }),
      () => sessions.user('ada').setRoles(['x']),
      () => sessions.user('ada').revokeAll(),
      () => sessions.set(user.token, { secret }),
      () => sessions.destroy(next!),
      () => sessions.destroy(next!).then(() => sessions.set(next!, { secret })),
    ]
    let errors = 0
    for (const fail of failing) {
      await fail().catch((error: unknown) => {
        errors++
        said.push(error)
      })
    }
    assert.ok(errors >= 5)
    const text = inspect(said, { depth: null, showHidden: true })
    assert.match(text, /refused/)
    assert.match(text, /reuse/)
    for (const hidden of [token, next!, user.token, secret]) assert.ok(!text.includes(hidden), hidden)
  })

  test('there is no secret to configure', () => {
    const options = readPage('src/core/options.ts').match(/export interface SessionsOptions \{.*?^\}/ms)?.[0] ?? ''
    assert.match(options, /store: SessionStore/)
    assert.doesNotMatch(options, /secret/i)
  })
})
