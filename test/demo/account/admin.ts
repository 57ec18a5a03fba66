import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Scene } from '../contract/scene.ts'
import { refused } from '../visitor.ts'
import { answers, assertLoggedOut, loggedIn, profileOf, stats } from './people.ts'

const ROUTES = [
  ['GET', '/admin'],
  ['GET', '/admin/sessions/stats'],
  ['DELETE', '/admin/sessions/nonsense'],
  ['DELETE', '/admin/users/1001/sessions'],
  ['GET', '/admin/nowhere'],
] as const
const AS_BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

/** `/admin`: who may, and what it shows and ends. */
export function admin(scene: Scene): void {
  const { newVisitor } = scene

  describe('/admin', () => {
    it('answers 401 to a script that is not logged in', async () => {
      for (const [method, path] of ROUTES) {
        refused(await newVisitor().send(method, path, undefined), 401, 'Authentication required')
      }
    })

    it('sends a browser that is not logged in to the login, with the way back', async () => {
      const { status, headers } = await newVisitor().get('/admin?x=1', AS_BROWSER)
      assert.deepEqual([status, headers.get('location')], [303, '/account?return-to=%2Fadmin%3Fx%3D1'])
    })

    it('answers 403 to a user who is no administrator, and does nothing', async () => {
      const alice = await loggedIn(scene, 'alice')
      for (const [method, path] of ROUTES) {
        refused(await alice.send(method, path, undefined), 403, 'Insufficient permissions')
      }
      await profileOf(alice)
      const page = await alice.get('/admin', AS_BROWSER)
      assert.equal(page.status, 403)
      assert.match(page.raw, /<h1>Insufficient permissions<\/h1>/)
    })

    it('is a page for administrators, under the same policy', async () => {
      const { status, headers, raw } = await (await loggedIn(scene, 'admin')).get('/admin', AS_BROWSER)
      assert.equal(status, 200)
      assert.match(headers.get('content-security-policy') ?? '', /(?:^|; )default-src 'self'(?:;|$)/)
      assert.match(raw, /<title>coatcheck demo: admin<\/title>/)
      assert.doesNotMatch(raw, /\{\{|<script(?![^>]*src=)|<style| style=| on\w+=/)
    })

    it('answers 404 where there is nothing', async () => {
      refused(await (await loggedIn(scene, 'admin')).get('/admin/nowhere'), 404, 'Not found')
    })
  })

  describe('GET /admin/sessions/stats', () => {
    it('counts guests, members and users, and lists who was there last', async () => {
      const visitor = await loggedIn(scene, 'admin')
      // The guests of earlier tests would expire in between.
      for (const { id, userId } of (await stats(visitor)).recentSessions) {
        if (userId === null) await visitor.send('DELETE', `/admin/sessions/${id}`, undefined)
      }
      const before = await stats(visitor)
      assert.equal(before.guests, 0)
      const { first } = await scene.login({ username: 'andrew' })
      const bobs = [await loggedIn(scene, 'bob'), await loggedIn(scene, 'bob')]
      const bob = await profileOf(bobs[1] as typeof visitor)
      const after = await stats(visitor)
      assert.deepEqual(
        [after.guests - before.guests, after.members - before.members, after.total - before.total],
        [1, 2, 3],
      )
      assert.ok(after.users >= 2 && after.users <= 3, `${after.users}`)
      assert.deepEqual(
        after.idle,
        ['1m', '5m', '30m'].map((within) => ({ within, sessions: after.total })),
      )
      const logins = (after.process.login?.login ?? 0) - (before.process.login?.login ?? 0)
      assert.equal(logins, 2)

      const bobsNow = after.recentSessions.find(({ id }) => id === bob.sessionId)
      assert.ok(bobsNow)
      const { lastActivity, device, ...rest } = bobsNow
      assert.ok(Math.abs(lastActivity - Date.now()) < 60_000)
      assert.deepEqual(rest, {
        userId: '1002',
        username: 'bob',
        id: bob.sessionId,
        address: '127.0.0.0',
        current: false,
      })
      const guest = after.recentSessions.find(({ id }) => id === first.session_id)
      assert.deepEqual([guest?.userId, guest?.username], [null, 'andrew'])
      assert.equal(after.recentSessions.filter(({ current }) => current).length, 1)
      assert.ok(after.recentSessions.length <= 50)
      const times = after.recentSessions.map((each) => each.lastActivity)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => b - a),
      )
    })
  })

  describe('ending sessions as an administrator', () => {
    it('ends one by its id: a member’s, a guest’s, the own', async () => {
      const [visitor, alice] = [await loggedIn(scene, 'admin'), await loggedIn(scene, 'alice')]
      const guest = await scene.login()
      const { sessionId } = await profileOf(alice)
      answers(await visitor.send('DELETE', `/admin/sessions/${sessionId}`, undefined), 200, { revoked: 1 })
      await assertLoggedOut(alice)
      answers(await visitor.send('DELETE', `/admin/sessions/${guest.first.session_id}`, undefined), 200, { revoked: 1 })
      refused(await guest.visitor.get('/session'), 401, 'Session expired')
      for (const id of [sessionId, 'nonsense', '%7B']) {
        refused(await visitor.send('DELETE', `/admin/sessions/${id}`, undefined), 404, 'There is no such session')
      }
      const own = (await profileOf(visitor)).sessionId
      answers(await visitor.send('DELETE', `/admin/sessions/${own}`, undefined), 200, { revoked: 1 })
      await assertLoggedOut(visitor)
    })

    it('logs a user out everywhere', async () => {
      const [visitor, bob] = [await loggedIn(scene, 'admin'), await loggedIn(scene, 'bob')]
      const alices = [await loggedIn(scene, 'alice'), await loggedIn(scene, 'alice')]
      const reply = await visitor.send<{ revoked: number }>('DELETE', '/admin/users/1001/sessions', undefined)
      assert.ok(reply.body.revoked >= 2, reply.raw)
      for (const alice of alices) await assertLoggedOut(alice)
      await profileOf(bob)
      for (const userId of ['1003', 'x'.repeat(300), '%ED%95%9C']) {
        refused(
          await visitor.send('DELETE', `/admin/users/${userId}/sessions`, undefined),
          404,
          'There is no such user',
        )
      }
    })
  })
}
