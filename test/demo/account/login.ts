import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Scene } from '../contract/scene.ts'
import { live, refused, type Visitor } from '../visitor.ts'
import { answers, assertLoggedOut, listed, loggedIn, ok, PASSWORDS, profileOf } from './people.ts'

const HALF_A_DAY = 12 * 60 * 60 * 1000

/** `POST /account/login`, `GET /account/profile` and `POST /account/logout`. */
export function logins(scene: Scene): void {
  const { newVisitor } = scene

  describe('POST /account/login', () => {
    it('logs in with the right password, and hands out the cookie account', async () => {
      const visitor = newVisitor()
      const reply = await visitor.json('/account/login', { username: 'alice', password: PASSWORDS.alice })
      answers(reply, 200, { message: 'Logged in successfully' })
      const cookies = reply.headers.getSetCookie()
      assert.equal(cookies.length, 1)
      assert.match(cookies[0] as string, /^account=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
    })

    it('answers a wrong password and an unknown name alike', async () => {
      for (const [username, password] of [
        ['alice', 'overcoat'],
        ['alice', ''],
        ['alice', 'Umbrella'],
        ['Alice', 'umbrella'],
        ['mallory', 'umbrella'],
        ['', ''],
        ['__proto__', 'umbrella'],
      ]) {
        const visitor = newVisitor()
        const reply = await visitor.json('/account/login', { username, password })
        answers(reply, 401, { message: 'Invalid credentials' })
        assert.deepEqual(reply.headers.getSetCookie(), [])
      }
    })

    it('takes as long for a name that nobody has as for a wrong password', async () => {
      const visitor = newVisitor()
      const took = { alice: [] as number[], mallory: [] as number[] }
      // By turns, so that a busy moment of the machine hits both.
      for (let i = 0; i < 5; i++) {
        for (const username of ['alice', 'mallory'] as const) {
          const begin = performance.now()
          await visitor.json('/account/login', { username, password: 'wrong' })
          took[username].push(performance.now() - begin)
        }
      }
      const [wrong, unknown] = [median(took.alice), median(took.mallory)]
      assert.ok(
        unknown > wrong / 2 && unknown < wrong * 2,
        `${unknown} ms for an unknown name, ${wrong} ms for a known`,
      )
    })

    it('refuses what is no name, password or device id', async () => {
      const visitor = newVisitor()
      const needed = 'Send a JSON object with username and password.'
      const device = 'A device id must have 1 to 64 letters, digits or any of _ . -'
      const { alice: password } = PASSWORDS
      for (const body of [
        {},
        { username: 'alice' },
        { password },
        { username: 7, password },
        { username: ['alice'], password },
      ]) {
        refused(await visitor.json('/account/login', body), 400, needed)
      }
      for (const deviceId of ['', 'a b', '/', 'x'.repeat(65), 7, null]) {
        refused(await visitor.json('/account/login', { username: 'alice', password, deviceId }), 400, device)
      }
      refused(await visitor.post('/account/login', { username: 'alice', password }), 400, needed)
      refused(await visitor.json('/account/login', '{'), 400, 'The body is not valid JSON')
      refused(await visitor.json('/account/login', ['alice', password]), 400, 'Send a form, or a JSON object.')
      refused(
        await visitor.json('/account/login', { username: 'x'.repeat(10_000), password }),
        413,
        'The body is too large',
      )
      assert.equal(visitor.cookie, null)
    })

    it('gives a new token to who is logged in already, and the old one opens nothing any more', async () => {
      const visitor = await loggedIn(scene, 'alice')
      const before = visitor.cookie
      ok(await visitor.json('/account/login', { username: 'alice', password: PASSWORDS.alice }))
      assert.notEqual(visitor.cookie, before)
      await assertLoggedOut(withCookie(newVisitor(), before))
    })

    it('ends the session of the user before', async () => {
      const visitor = await loggedIn(scene, 'alice')
      const before = visitor.cookie
      ok(await visitor.json('/account/login', { username: 'bob', password: PASSWORDS.bob }))
      assert.equal((await profileOf(visitor)).username, 'bob')
      await assertLoggedOut(withCookie(newVisitor(), before))
    })

    it('takes the place of the session that the user had on the same device', async () => {
      const first = await loggedIn(scene, 'bob', 'laptop')
      const phone = await loggedIn(scene, 'bob', 'phone')
      const second = await loggedIn(scene, 'bob', 'laptop')
      await assertLoggedOut(first)
      const { sessionId } = await profileOf(second)
      const onLaptop = (await listed(phone)).filter(({ deviceId }) => deviceId === 'laptop')
      assert.deepEqual(
        onLaptop.map(({ id }) => id),
        [sessionId],
      )
    })
  })

  describe('GET /account/profile', () => {
    it('says who is logged in', async () => {
      const { sessionId, createdAt, deadline, ...who } = await profileOf(await loggedIn(scene, 'alice'))
      assert.deepEqual(who, { userId: '1001', username: 'alice', role: 'member' })
      assert.match(sessionId, /^[A-Za-z0-9_-]{24}$/)
      assert.equal(deadline - createdAt, HALF_A_DAY)
      assert.equal((await profileOf(await loggedIn(scene, 'admin'))).role, 'admin')
    })

    it('answers 401 to who is not, which no cache keeps', async () => {
      const reply = await newVisitor().get('/account/profile')
      answers(reply, 401, { message: 'Not authenticated' })
      assert.equal(reply.headers.get('cache-control'), 'no-store')
    })

    it('takes no session of the first page for a login', async () => {
      const { visitor } = await scene.login({ username: 'alice' })
      await assertLoggedOut(visitor)
      const token = visitor.tokens.at(-1)
      // Not in the other cookie either.
      await assertLoggedOut(withCookie(newVisitor(), `account=${token}`))
    })
  })

  describe('POST /account/logout', () => {
    it('ends the session and takes the cookie away', async () => {
      const visitor = await loggedIn(scene, 'alice')
      const before = visitor.cookie
      const reply = await visitor.post('/account/logout')
      answers(reply, 200, { message: 'Logged out successfully' })
      assert.match(reply.headers.getSetCookie().join(), /^account=; Max-Age=0; Path=\/;/)
      await assertLoggedOut(withCookie(newVisitor(), before))
    })

    it('is as good when there is nobody to log out', async () => {
      answers(await newVisitor().post('/account/logout'), 200, { message: 'Logged out successfully' })
    })

    it('leaves the session of the first page alone', async () => {
      const { visitor, first } = await scene.login({ username: 'andrew' })
      const account = await loggedIn(scene, 'alice')
      const both = withCookie(newVisitor(), `${visitor.cookie}; ${account.cookie}`)
      ok(await both.post('/account/logout'))
      assert.equal(live(await visitor.get('/session')).session_id, first.session_id)
    })
  })
}

function withCookie(visitor: Visitor, cookie: string | null): Visitor {
  visitor.cookie = cookie
  return visitor
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number
}
