import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { cookieOf, usePageApp } from './page-app.ts'

describe('the app of docs/node.md', () => {
  const app = usePageApp('node')
  const { send, post } = app

  test('keeps a cart', async () => {
    const cookie = cookieOf(await post('/cart?item=hat'))
    assert.equal((await post('/cart?item=umbrella', cookie)).headers.get('location'), '/cart')
    assert.equal(await (await send('/cart', cookie)).text(), '["hat","umbrella"]')
  })

  test('discards what a listener has changed that fails, and answers with its status', async () => {
    const cookie = cookieOf(await post('/cart?item=hat'))
    const response = await post('/fails', cookie)
    assert.equal(response.status, 422)
    assert.deepEqual(await response.json(), { error: 'Unprocessable Entity' })
    assert.equal(await (await send('/cart', cookie)).text(), '["hat"]')
    assert.equal(app.output, '/fails this change is discarded\n')
  })

  test('guards the profile, and everything against other sites', async () => {
    assert.equal((await send('/profile')).status, 401)
    const cookie = cookieOf(await post('/login'))
    assert.equal(await (await send('/profile', cookie)).text(), 'You are u42.')
    assert.equal((await post('/login', '', { 'sec-fetch-site': 'cross-site' })).status, 403)
    assert.equal((await send('/nowhere')).status, 404)
  })

  test('counts in a WebSocket, which ends with the session', async () => {
    const cookie = cookieOf(await post('/login'))
    const ws = new WebSocket(app.url.replace('http', 'ws'), { headers: { cookie } })
    await once(ws, 'open')
    for (const views of ['1', '2']) {
      ws.send('hello')
      assert.equal(String((await once(ws, 'message'))[0]), views)
    }
    const closed = once(ws, 'close')
    assert.equal((await post('/logout', cookie)).status, 303)
    assert.equal((await closed)[0], 4401)
  })

  test('refuses a WebSocket to visitors', async () => {
    const ws = new WebSocket(app.url.replace('http', 'ws'))
    ws.on('error', () => undefined)
    const [, response] = await once(ws, 'unexpected-response')
    assert.equal(response.statusCode, 401)
    response.resume()
  })
})
