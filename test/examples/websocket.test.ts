import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { WebSocket } from 'ws'
import { eventually, type Scope, Visitor } from '../support/http.ts'
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
    const app = await start(t)
    assert.equal(await connect(t, app, { origin: 'https://evil.example' }).refused, 403)
  })

  it('listens no more to somebody whose session has ended and who does not close', async (t) => {
    const app = await start(t)
    const join = async () => {
      const visitor = new Visitor(t, app)
      await visitor.post('/login')
      const { ws } = connect(t, app, { cookie: visitor.cookieHeader })
      const heard: string[] = []
      ws.on('message', (text) => heard.push(String(text)))
      await once(ws, 'message')
      return { visitor, ws, heard }
    }
    const [out, last, other] = [await join(), await join(), await join()]
    out.ws.pause()
    await out.visitor.post('/logout')
    // In order: when this one is closed, the one before it has been told to.
    const lastClosed = once(last.ws, 'close')
    await last.visitor.post('/logout')
    await lastClosed

    out.ws.send('late')
    const closed = once(out.ws, 'close')
    out.ws.resume()
    assert.equal((await closed)[0], 4401)
    other.ws.send('the end')
    await eventually(() => other.heard.includes('u42: the end'))
    assert.deepEqual(other.heard, ['welcome', 'u42: the end'])
  })
})

async function start(t: TestContext): Promise<Example> {
  const redis = await startRedis()
  t.after(redis.stop)
  return startExample(t, 'websocket', { REDIS_URL: redis.url })
}

function connect(scope: Scope, { url }: Example, headers: Record<string, string>) {
  const ws = new WebSocket(url.replace('http', 'ws'), { headers })
  scope.after(() => ws.terminate())
  ws.on('error', () => undefined)
  const refused = once(ws, 'unexpected-response').then(([, res]) => Number(res.resume().statusCode))
  return { ws, refused }
}
