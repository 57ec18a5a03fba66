import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cookieOf, usePageApp } from './page-app.ts'

describe('the app of docs/fastify.md', () => {
  const app = usePageApp('fastify')
  const { send, post } = app

  test('keeps a cart', async () => {
    const cookie = cookieOf(await post('/cart?item=hat'))
    assert.equal((await post('/cart?item=umbrella', cookie)).headers.get('location'), '/cart')
    assert.deepEqual(await (await send('/cart', cookie)).json(), ['hat', 'umbrella'])
  })

  test('guards the profile and the office, and everything against other sites', async () => {
    assert.equal((await send('/profile')).status, 401)
    const cookie = cookieOf(await post('/login'))
    assert.deepEqual(await (await send('/profile', cookie)).json(), { user: 'u42' })
    assert.equal((await send('/office', cookie)).status, 403)
    assert.equal((await post('/login', '', { 'sec-fetch-site': 'cross-site' })).status, 403)
    const logout = await post('/logout', cookie)
    assert.match(logout.headers.getSetCookie().join(), /^sid=; Max-Age=0;/)
    assert.equal((await send('/profile', cookie)).status, 401)
  })

  test('discards what a handler has changed that fails, and answers with the error handler', async () => {
    const cookie = cookieOf(await post('/cart?item=hat'))
    const response = await post('/fails', cookie)
    assert.deepEqual([response.status, await response.json()], [422, { error: 'this change is discarded' }])
    assert.deepEqual(await (await send('/cart', cookie)).json(), ['hat'])
  })

  test('has no warning to give', () => {
    assert.equal(app.output, '')
  })
})
