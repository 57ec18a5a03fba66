import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ArgumentError, SessionEndedError, type SessionEvent } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { anonymous, Browser, open } from './support.ts'

const USER_IDS = [
  '}',
  '{',
  '{a}{b}',
  '*',
  '[a-z]?',
  ' ',
  'two words',
  'line\nline\r\n',
  '\u{1f9e5}',
  '\u0000',
  '"\\',
  '0',
]
const LONGEST = ['x'.repeat(256), 'é'.repeat(128), '\u{1f9e5}'.repeat(64)]
const REFUSED = [
  '',
  'x'.repeat(257),
  `${'é'.repeat(128)}x`,
  '\ud800',
  'a\udc00b',
  null,
  undefined,
  7,
  {},
  ['ada'],
] as never[]

/** What might be guessed, mistyped or planted in place of an id. */
const NO_IDS = [
  '',
  '*',
  'guests',
  'x'.repeat(24),
  'x'.repeat(10_000),
  'user:ada',
  '{s2}:user:ada',
  '\u0000'.repeat(24),
  '../../../../../../../../',
  null,
  undefined,
  7,
  {},
  [],
] as never[]

describe('a user', { timeout: 60_000 }, () => {
  const redis = useRedis()

  for (const userId of [...USER_IDS, ...LONGEST]) {
    it(`called ${JSON.stringify(userId).slice(0, 20)} logs in, is listed, told of, given roles and logged out everywhere`, async (t) => {
      const prefix = newPrefix()
      const sessions = open(redisStore(redis.client, { prefix }))
      const elsewhere = open(redisStore(await redis.server.connect(), { prefix }))
      t.after(() => Promise.all([sessions.close(), elsewhere.close()]))
      const heard: SessionEvent[] = []
      for (const type of ['login', 'roles', 'revoked'] as const) elsewhere.on(type, (event) => heard.push(event))
      // When this is heard, the other process listens.
      await eventually(async () => {
        await sessions.create({}, { userId: 'nobody' })
        return heard.length > 0
      })
      const bystander = await sessions.create({}, { userId: `${[...userId].slice(1).join('')}y` })

      const browser = await anonymous(sessions)
      await browser.request((session) => session.login(userId))
      const second = await sessions.create({}, { userId })
      const [first] = (await sessions.user(userId).list()).filter(({ id }) => id !== second.id)
      assert.equal(first?.userId, userId)
      assert.equal(await sessions.user(userId).setRoles(['admin']), 2)
      assert.deepEqual((await sessions.load(browser.token as string))?.roles, ['admin'])
      assert.equal(await sessions.user(userId).revokeOthers(first?.id ?? ''), 1)
      assert.equal(await sessions.user(userId).revokeAll(), 1)
      assert.deepEqual(await sessions.user(userId).list(), [])
      assert.equal(await sessions.load(browser.token as string), null)
      assert.deepEqual((await sessions.load(bystander.token))?.roles, [])

      const own = () => heard.filter((event) => event.userId === userId)
      await eventually(() => own().length >= 6)
      const told = own().map(({ type, cause, local }) => `${type} ${cause} ${local}`)
      assert.deepEqual(told.sort(), [
        ...['login create false', 'login login false', 'revoked all false', 'revoked others false'],
        ...['roles roles false', 'roles roles false'],
      ])
      await assertConsistent(redis.client, prefix)
    })
  }

  it('called by what is no user id is refused, and Redis never asked', async () => {
    const sent: (readonly string[])[] = []
    const onCommand = (words: readonly string[]) => sent.push(words)
    const sessions = open(redisStore(redis.client, { prefix: newPrefix(), onCommand }))
    for (const userId of REFUSED) {
      assert.throws(() => sessions.user(userId), ArgumentError)
      if (userId !== undefined) await assert.rejects(sessions.create({}, { userId }), ArgumentError)
      await assert.rejects(
        new Browser(sessions).request((session) => session.login(userId)),
        (error: Error) => error instanceof ArgumentError && /1 to 256 bytes/.test(error.message),
      )
    }
    assert.deepEqual(sent, [])
  })
})

describe("another user's session", { timeout: 60_000 }, () => {
  const redis = useRedis()

  it('is neither seen nor ended by whoever knows its id', async () => {
    const prefix = newPrefix()
    const sessions = open(redisStore(redis.client, { prefix }))
    const [eve, ada] = [new Browser(sessions), new Browser(sessions)]
    await eve.request((session) => session.login('eve', { deviceId: 'phone' }))
    const hers = await ada.request((session) =>
      session.login('ada', { deviceId: 'phone' }).then(() => session.id ?? ''),
    )
    const guest = await anonymous(sessions)
    const { id: guestId } = (await sessions.load(guest.token as string)) ?? assert.fail()

    for (const id of [hers, guestId]) {
      assert.equal(await sessions.user('eve').revoke(id), false)
      await assert.rejects(sessions.user('eve').revokeOthers(id), SessionEndedError)
      await eve.request(async (session) => {
        assert.equal(await session.revoke(id), false)
        const devices = await session.devices()
        assert.deepEqual(
          devices.map(({ userId, current }) => [userId, current]),
          [['eve', true]],
        )
      })
    }
    await eve.request(async (session) => {
      assert.equal(await session.revokeOthers(), 0)
      assert.equal(await session.revokeDevice('phone'), 1)
    })
    assert.equal(eve.token, null)
    assert.equal(await sessions.user('eve').revokeAll(), 0)
    for (const { token } of [ada, guest]) assert.ok(await sessions.load(token as string))

    // Without a user there is nothing to list or to end.
    await guest.request(async (session) => {
      for (const ask of [
        () => session.devices(),
        () => session.revoke(hers),
        () => session.revokeAll(),
        () => session.revokeOthers(),
        () => session.revokeDevice('phone'),
      ]) {
        await assert.rejects(async () => ask(), SessionEndedError)
      }
    })
    assert.ok(await sessions.load(ada.token as string))
    await assertConsistent(redis.client, prefix)
  })

  it('nor by whoever guesses: what is no id is never sent to Redis', async () => {
    const sent: (readonly string[])[] = []
    const onCommand = (words: readonly string[]) => sent.push(words)
    const sessions = open(redisStore(redis.client, { prefix: newPrefix(), onCommand }))
    const browser = new Browser(sessions)
    await browser.request((session) => session.login('ada'))
    const seen = sent.length
    for (const id of NO_IDS) {
      assert.equal(await sessions.find(id), null)
      assert.equal(await sessions.revoke(id), false)
      assert.equal(await sessions.user('ada').revoke(id), false)
      await assert.rejects(sessions.user('ada').revokeOthers(id), SessionEndedError)
    }
    assert.equal(sent.length, seen)
    await browser.request(async (session) => {
      const loaded = sent.length
      for (const id of NO_IDS) assert.equal(await session.revoke(id), false)
      assert.equal(sent.length, loaded)
    })
    assert.equal((await sessions.user('ada').list()).length, 1)
  })
})
