import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { live, refused } from '../visitor.ts'
import type { Scene } from './scene.ts'

const HOUR = 60 * 60 * 1000
const NOT_WHOLE = 'The TTL must be a whole number of seconds above 0.'

/** `POST /login`. */
export function loginRoute({ newVisitor, login, redis }: Scene): void {
  describe('POST /login', () => {
    it('begins a session: every field as stored, and the time left', async () => {
      const { first } = await login({ username: 'andrew', ttl: '20' })
      assert.match(first.session_id, /^[A-Za-z0-9_-]{24}$/)
      assert.equal(first.key, `session:{${first.session_id.slice(0, 2)}}:${first.session_id.slice(2)}`)
      const { created_at, last_accessed_at, deadline, ...rest } = first.session
      assert.ok(Math.abs(Number(created_at) - Date.now()) < 60_000)
      assert.equal(last_accessed_at, created_at)
      assert.equal(Number(deadline) - Number(created_at), HOUR)
      assert.deepEqual(rest, { session_ttl: '20', username: 'andrew', page_views: '1', request_count: '1' })
      assert.equal(first.configured_ttl, 20)
      assert.ok(first.ttl > 19 && first.ttl <= 20, `${first.ttl}`)
      const stored = (await redis()?.dump())?.[first.key]
      if (redis()) assert.deepEqual(stored, first.session)
    })

    it('hands out the cookie sid: HttpOnly, for the whole site, SameSite=Lax, and not Secure', async () => {
      const visitor = newVisitor()
      const { headers } = await visitor.post('/login')
      const cookie = headers.getSetCookie()
      assert.equal(cookie.length, 1)
      assert.match(cookie[0] as string, /^sid=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
    })

    it('takes JSON as well as a form', async () => {
      const visitor = newVisitor()
      const { session } = live(await visitor.json('/login', { username: 'andrew', ttl: 7 }))
      assert.deepEqual([session.username, session.session_ttl], ['andrew', '7'])
    })

    it('calls who gives no name Guest, and gives who asks for no time 15 seconds', async () => {
      for (const form of [{}, { username: '' }, { username: '  ' }]) {
        const { first } = await login(form as Record<string, string>)
        assert.equal(first.session.username, 'Guest')
        assert.equal(first.configured_ttl, 15)
      }
      assert.equal(live(await newVisitor().send('POST', '/login', undefined)).session.username, 'Guest')
    })

    it('ends the earlier session of the browser', async () => {
      const { visitor, first } = await login({ username: 'first' })
      const earlier = visitor.cookie
      const second = live(await visitor.post('/login', { username: 'second' }))
      assert.notEqual(second.session_id, first.session_id)
      assert.notEqual(visitor.cookie, earlier)
      assert.equal(live(await visitor.get('/session')).session.username, 'second')
      visitor.cookie = earlier
      refused(await visitor.get('/session'), 401, 'Session expired')
      if (redis()) assert.equal((await redis()?.dump())?.[first.key], undefined)
    })

    it('keeps the earlier session when the form is wrong', async () => {
      const { visitor, first } = await login()
      refused(await visitor.post('/login', { ttl: '0' }), 400, NOT_WHOLE)
      assert.equal(live(await visitor.get('/session')).session_id, first.session_id)
    })

    it('keeps odd names as they are', async () => {
      const names = [
        '42',
        'null',
        '"',
        '{"a":1}',
        '__proto__',
        '<b>x</b>',
        "'; DROP TABLE",
        'Zoë 🧥',
        '\u0000\u0007',
        'a\nb',
      ]
      for (const username of names) {
        const { session } = live(await newVisitor().json('/login', { username }))
        const stored = session.username as string
        assert.equal(stored.startsWith('"') ? JSON.parse(stored) : stored, username)
      }
      // Half a surrogate pair, which UTF-8 cannot say.
      assert.equal(live(await newVisitor().json('/login', { username: '\ud83e' })).session.username, '"\\ud83e"')
    })

    it('refuses what is no name', async () => {
      const tooLong = 'The user name must have at most 64 characters.'
      refused(await newVisitor().post('/login', { username: 'x'.repeat(65) }), 400, tooLong)
      live(await newVisitor().post('/login', { username: 'x'.repeat(64) }))
      for (const username of [7, ['a'], { a: 1 }, true]) {
        refused(await newVisitor().json('/login', { username }), 400, 'The user name must be text, given once.')
      }
      const twice = new URLSearchParams('username=a&username=b')
      refused(await newVisitor().send('POST', '/login', twice), 400, 'The user name must be text, given once.')
    })
  })
}
