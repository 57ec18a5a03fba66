import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { WebSocket } from 'ws'
import type { Scope } from '../support/http.ts'
import { startRedis } from '../support/redis-server.ts'
import { connectionsEndWithTheirSession, type Kind } from './connections.ts'
import { type Example, startExample } from './example-process.ts'

const websocket: Kind = {
  name: 'websocket',
  async open(scope, server, { cookies }) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const { ws, refused } = connect(scope, server, { cookie })
    const welcome = once(ws, 'message').then(([text]) => String(text))
    const first = await Promise.race([refused, welcome])
    if (typeof first === 'number') return first
    assert.equal(first, 'welcome')
    return {
      ended: once(ws, 'close').then(([code, reason]) => `${code} ${reason}`),
      async hear() {
        const heard = once(ws, 'message')
        ws.send('hello')
        assert.equal(String((await heard)[0]), 'u42: hello')
      },
    }
  },
  endOf: () => '4401 session ended',
  endOfServer: '1001 server stops',
}

connectionsEndWithTheirSession(websocket)

describe('the example websocket', { timeout: 60_000 }, () => {
  it('refuses pages of other sites', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const app = await startExample(t, 'websocket', { REDIS_URL: redis.url })
    assert.equal(await connect(t, app, { origin: 'https://evil.example' }).refused, 403)
  })
})

function connect(scope: Scope, { url }: Example, headers: Record<string, string>) {
  const ws = new WebSocket(url.replace('http', 'ws'), { headers })
  scope.after(() => ws.terminate())
  ws.on('error', () => undefined)
  const refused = once(ws, 'unexpected-response').then(([, res]) => Number(res.resume().statusCode))
  return { ws, refused }
}
