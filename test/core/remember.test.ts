import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSessions, type Sessions, type SessionsOptions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'

// "Remember me" is of the session: whichever request issues its cookie anew, the browser goes on keeping it.

const DAY = 86_400

function open(options: Omit<SessionsOptions, 'store' | 'schema'> = {}): Sessions {
  return createSessions({ store: memoryStore(), cookie: { secure: false }, ...options })
}

/** One request: what it does, and the `Max-Age` and token of the cookie that its answer sets. */
async function request(sessions: Sessions, token: string, act: (session: ReturnType<Sessions['of']>) => unknown) {
  const req = {}
  const state = await sessions.openRequest(req, `sid=${token}`)
  await act(sessions.of(req))
  const cookie = state.takeCookie() ?? ''
  return {
    token: /^sid=([\w-]{43})/.exec(cookie)?.[1] ?? token,
    maxAge: Number(/Max-Age=(\d+)/.exec(cookie)?.[1] ?? 0),
  }
}

describe('a remembered session', () => {
  const login = (sessions: Sessions) =>
    request(sessions, '', (session) => session.login('ada', { remember: { idleTimeout: '30d', lifetime: '30d' } }))

  it('has a cookie that the browser keeps to its deadline', async () => {
    assert.equal((await login(open())).maxAge, 30 * DAY)
  })

  it('keeps it over a rotation and other roles', async () => {
    const sessions = open()
    const { token } = await login(sessions)
    const rotated = await request(sessions, token, (session) => session.rotate())
    assert.notEqual(rotated.token, token)
    assert.ok(rotated.maxAge > 30 * DAY - 60, `${rotated.maxAge} s`)
    const changed = await request(sessions, rotated.token, (session) => session.setRoles(['admin']))
    assert.notEqual(changed.token, rotated.token)
    assert.ok(changed.maxAge > 30 * DAY - 60, `${changed.maxAge} s`)
  })

  it('keeps it over a rotation that was due', async () => {
    const sessions = open({ rotateEvery: 1 })
    const { token } = await login(sessions)
    let next = { token, maxAge: 0 }
    while (next.token === token) next = await request(sessions, token, () => undefined)
    assert.ok(next.maxAge > 30 * DAY - 60, `${next.maxAge} s`)
  })

  it('is not remembered any more after a login that does not ask for it', async () => {
    const sessions = open()
    const { token } = await login(sessions)
    const again = await request(sessions, token, (session) => session.login('ada'))
    assert.deepEqual([again.token === token, again.maxAge], [false, 0])
    const rotated = await request(sessions, again.token, (session) => session.rotate())
    assert.deepEqual([rotated.token === again.token, rotated.maxAge], [false, 0])
  })
})
