import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { LoginRevokedError, type Sessions } from '../../src/index.ts'
import { anonymous, type Data } from './support.ts'

// Logins of one user from many sides, and in their middle the user is logged out everywhere.

/** A login that was asked for, and what became of it. */
export interface Attempt {
  /** By `performance.now()`, before anybody but this process could know of it. */
  readonly begun: number
  /** `null`: refused. */
  readonly token: string | null
}

export interface Tally {
  refused: number
  ended: number
  alive: number
}

/**
 * Logins of one user from many sides within so many milliseconds, and in their middle the user is logged out everywhere. Whoever began before that must
 * not be logged in at the end.
 */
export async function round(
  userId: string,
  sides: readonly Sessions<Data>[],
  within: number,
  tally: Tally,
): Promise<void> {
  const [first] = sides as [Sessions<Data>]
  const attempts = sides.map(async (sessions, i) => {
    const login = i % 2 === 0 ? loginByToken : loginByRequest
    return login(sessions, userId, Math.random() * within)
  })
  await pause(within / 4)
  const revoked = performance.now()
  await first.user(userId).revokeAll()
  for (const { begun, token } of await Promise.all(attempts)) {
    const session = token === null ? null : await first.load(token)
    assert.ok(session === null || begun >= revoked, `alive, and begun ${revoked - begun} ms before`)
    if (session !== null) assert.equal(session.userId, userId)
    tally[token === null ? 'refused' : session === null ? 'ended' : 'alive']++
  }
  await first.user(userId).revokeAll()
}

export async function loginByToken(sessions: Sessions<Data>, userId: string, after: number): Promise<Attempt> {
  await pause(after)
  const begun = performance.now()
  const created = await sessions.create({}, { userId }).catch(refused)
  return { begun, token: created?.token ?? null }
}

/** As the browser of a visitor with a cart, who types a password. */
async function loginByRequest(sessions: Sessions<Data>, userId: string, after: number): Promise<Attempt> {
  const browser = await anonymous(sessions, { cart: ['tea'] })
  await pause(after)
  const begun = performance.now()
  const done = await browser.request((session) => session.login(userId).then(() => true)).catch(refused)
  return { begun, token: done === null ? null : browser.token }
}

function refused(error: unknown): null {
  assert.ok(error instanceof LoginRevokedError, String(error))
  return null
}

export function assertTold({ refused, ended, alive }: Tally, rounds: number): void {
  for (const [what, n] of Object.entries({ refused, ended, alive })) {
    assert.ok(n > rounds / 10, `only ${n} logins ${what}: this proves nothing`)
  }
}
