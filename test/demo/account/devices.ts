import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Scene } from '../contract/scene.ts'
import { refused } from '../visitor.ts'
import { answers, assertLoggedOut, listed, loggedIn, ok, profileOf } from './people.ts'

const HALF_AN_HOUR = 30 * 60 * 1000
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'
const NO_SUCH = 'There is no such session'

/** The user's devices, and ending them. */
export function devices(scene: Scene): void {
  const { newVisitor } = scene
  const idOf = async (...who: Parameters<typeof profileOf>) => (await profileOf(...who)).sessionId

  describe('GET /account/sessions', () => {
    it('lists the user’s sessions, with what they are recognised by', async () => {
      const laptop = newVisitor()
      const login = { username: 'alice', password: 'umbrella', deviceId: 'my-laptop' }
      const headers = { 'content-type': 'application/json', 'user-agent': FIREFOX }
      ok(await laptop.send('POST', '/account/login', JSON.stringify(login), headers))
      const phone = await loggedIn(scene, 'alice')
      const bob = await loggedIn(scene, 'bob')
      const sessions = await listed(laptop)
      const id = await idOf(laptop)
      const own = sessions.find((session) => session.id === id)
      assert.ok(own)
      const { createdAt, lastActivity, expiresAt, ...rest } = own
      assert.deepEqual(rest, {
        id,
        device: 'Firefox on Windows',
        deviceId: 'my-laptop',
        address: '127.0.0.0',
        current: true,
      })
      assert.ok(createdAt <= lastActivity && Math.abs(createdAt - Date.now()) < 60_000)
      assert.equal(expiresAt - lastActivity, HALF_AN_HOUR)
      const other = sessions.find((session) => !session.current && session.deviceId === null)
      assert.ok(other)
      const ids = sessions.map((session) => session.id)
      assert.ok(ids.includes(await idOf(phone)))
      assert.ok(!ids.includes(await idOf(bob)))
      assert.deepEqual(
        sessions.map((session) => session.lastActivity),
        sessions.map((session) => session.lastActivity).sort((a, b) => b - a),
      )
    })
  })

  describe('DELETE /account/sessions/id/:id', () => {
    it('ends that session, and no other', async () => {
      const [one, two, three] = [
        await loggedIn(scene, 'bob'),
        await loggedIn(scene, 'bob'),
        await loggedIn(scene, 'bob'),
      ]
      answers(await one.send('DELETE', `/account/sessions/id/${await idOf(two)}`, undefined), 200, { revoked: 1 })
      await assertLoggedOut(two)
      await profileOf(one)
      await profileOf(three)
    })

    it('takes the cookie away with the own session', async () => {
      const visitor = await loggedIn(scene, 'bob')
      const { cookie } = visitor
      answers(await visitor.send('DELETE', `/account/sessions/id/${await idOf(visitor)}`, undefined), 200, {
        revoked: 1,
      })
      assert.equal(visitor.cookie, null)
      visitor.cookie = cookie
      await assertLoggedOut(visitor)
    })

    it('answers 404 to what is no session of this user', async () => {
      const [alice, bob] = [await loggedIn(scene, 'alice'), await loggedIn(scene, 'bob')]
      const { first } = await scene.login()
      for (const id of [await idOf(bob), first.session_id, 'nonsense', 'A'.repeat(24), '%7B']) {
        refused(await alice.send('DELETE', `/account/sessions/id/${id}`, undefined), 404, NO_SUCH)
      }
      await profileOf(bob)
    })
  })

  describe('DELETE /account/sessions/:deviceId', () => {
    it('ends the user’s session on that device', async () => {
      const [laptop, phone] = [await loggedIn(scene, 'alice', 'laptop'), await loggedIn(scene, 'alice', 'phone')]
      const bobs = await loggedIn(scene, 'bob', 'phone')
      answers(await laptop.send('DELETE', '/account/sessions/phone', undefined), 200, { revoked: 1 })
      await assertLoggedOut(phone)
      await profileOf(laptop)
      await profileOf(bobs)
      refused(await laptop.send('DELETE', '/account/sessions/phone', undefined), 404, NO_SUCH)
      answers(await laptop.send('DELETE', '/account/sessions/laptop', undefined), 200, { revoked: 1 })
      assert.equal(laptop.cookie, null)
    })

    it('refuses what is no device id', async () => {
      const alice = await loggedIn(scene, 'alice')
      for (const deviceId of ['a%20b', 'x'.repeat(65)]) {
        const reply = await alice.send('DELETE', `/account/sessions/${deviceId}`, undefined)
        refused(reply, 400, 'A device id must have 1 to 64 letters, digits or any of _ . -')
      }
    })
  })

  describe('logging out several at once', () => {
    it('POST /account/logout/others ends all sessions of the user but this one', async () => {
      const others = [await loggedIn(scene, 'alice'), await loggedIn(scene, 'alice')]
      const [visitor, bob] = [await loggedIn(scene, 'alice'), await loggedIn(scene, 'bob')]
      const { revoked } = ok(await visitor.send<{ revoked: number }>('POST', '/account/logout/others', undefined))
      assert.ok(revoked >= 2)
      for (const other of others) await assertLoggedOut(other)
      assert.deepEqual(
        (await listed(visitor)).map(({ current }) => current),
        [true],
      )
      await profileOf(bob)
    })

    it('POST /account/logout/everywhere ends all of them, and takes the cookie away', async () => {
      const [visitor, other] = [await loggedIn(scene, 'alice'), await loggedIn(scene, 'alice')]
      const bob = await loggedIn(scene, 'bob')
      const { cookie } = visitor
      const { revoked } = ok(await visitor.send<{ revoked: number }>('POST', '/account/logout/everywhere', undefined))
      assert.ok(revoked >= 2)
      assert.equal(visitor.cookie, null)
      visitor.cookie = cookie
      await assertLoggedOut(visitor)
      await assertLoggedOut(other)
      await profileOf(bob)
      // Whoever logs in afterwards is let in.
      await loggedIn(scene, 'alice')
    })
  })

  describe('a route of the account', () => {
    const ROUTES = [
      ['GET', '/account/profile'],
      ['GET', '/account/sessions'],
      ['GET', '/account/events'],
      ['DELETE', '/account/sessions/laptop'],
      ['DELETE', '/account/sessions/id/nonsense'],
      ['POST', '/account/logout/others'],
      ['POST', '/account/logout/everywhere'],
    ] as const

    it('answers 401 to who is not logged in', async () => {
      for (const [method, path] of ROUTES) {
        answers(await newVisitor().send(method, path, undefined), 401, { message: 'Not authenticated' })
      }
    })

    it('refuses what another site sends, and does nothing', async () => {
      const visitor = await loggedIn(scene, 'alice', 'laptop')
      const changing = ROUTES.filter(([method]) => method !== 'GET')
      for (const [method, path] of [...changing, ['POST', '/account/login'], ['POST', '/account/logout']] as const) {
        const reply = await visitor.send(method, path, undefined, { 'sec-fetch-site': 'cross-site' })
        refused(reply, 403, 'Cross-site request refused')
      }
      await profileOf(visitor)
    })

    it('answers 404 where there is none', async () => {
      refused(await (await loggedIn(scene, 'alice')).get('/account/nowhere'), 404, 'Not found')
    })
  })
}
