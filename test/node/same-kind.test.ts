import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { nodeSessions } from '../../src/node.ts'
import { serve, Visitor } from '../support/http.ts'

// Two kinds of objects, by their properties and the order of those, make Node's own functions slower for both.
describe('requests that change nothing', () => {
  it('leave connections with the same properties as a write, and responses as a login', async (t) => {
    const sessions = createSessions<{ name: string }>({ store: memoryStore(), cookie: { secure: false } })
    t.after(() => sessions.close())
    const seen: Record<string, { socket: PropertyKey[]; res: PropertyKey[] }> = {}
    const sent: Promise<unknown>[] = []
    const server = await serve(
      t,
      nodeSessions(sessions)(async (req, res) => {
        const session = sessions.of(req)
        if (req.url === '/login') await session.login('ada')
        if (req.url === '/write') session.data.name = 'Ada'
        const { socket } = req
        const look = () => {
          seen[req.url as string] = { socket: Reflect.ownKeys(socket), res: Reflect.ownKeys(res) }
        }
        sent.push(once(res, 'finish').then(look))
        res.end()
      }),
    )
    // Each with a connection of its own.
    for (const path of ['/login', '/write', '/visit']) {
      assert.equal((await new Visitor(t, server).get(path)).status, 200)
    }
    await Promise.all(sent)
    assert.deepEqual(seen['/visit']?.socket, seen['/write']?.socket)
    assert.deepEqual(seen['/visit']?.res, seen['/login']?.res)
  })
})
