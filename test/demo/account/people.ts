import assert from 'node:assert/strict'
import type { Scene } from '../contract/scene.ts'
import type { Reply, Visitor } from '../visitor.ts'

export const PASSWORDS = { alice: 'umbrella', bob: 'overcoat', admin: 'cloakroom' } as const
export type Name = keyof typeof PASSWORDS

/** What `GET /account/profile` answers. */
export interface Profile {
  userId: string
  username: string
  role: string
  sessionId: string
  createdAt: number
  deadline: number
}

/** One of those that `GET /account/sessions` lists. */
export interface ListedSession {
  id: string
  device: string | null
  deviceId: string | null
  address: string | null
  createdAt: number
  lastActivity: number
  expiresAt: number
  current: boolean
}

/** What `GET /admin/sessions/stats` answers. */
export interface Stats {
  total: number
  guests: number
  members: number
  users: number
  idle: { within: string; sessions: number }[]
  process: Record<string, Record<string, number>>
  recentSessions: {
    userId: string | null
    username: string | null
    lastActivity: number
    id: string
    device: string | null
    address: string | null
    current: boolean
  }[]
}

/** Logs somebody in with a new browser. */
export async function loggedIn({ newVisitor }: Scene, username: Name, deviceId?: string): Promise<Visitor> {
  const visitor = newVisitor()
  const reply = await visitor.json('/account/login', { username, password: PASSWORDS[username], deviceId })
  assert.deepEqual([reply.status, reply.body], [200, { message: 'Logged in successfully' }])
  return visitor
}

export async function profileOf(visitor: Visitor): Promise<Profile> {
  return ok(await visitor.get<Profile>('/account/profile'))
}

/** The user's sessions, as one of them sees them. */
export async function listed(visitor: Visitor): Promise<ListedSession[]> {
  return ok(await visitor.get<{ sessions: ListedSession[] }>('/account/sessions')).sessions
}

export async function stats(admin: Visitor): Promise<Stats> {
  return ok(await admin.get<Stats>('/admin/sessions/stats'))
}

/** The reply is 200; gives its body. */
export function ok<Body>(reply: Reply<Body>): Body {
  assert.equal(reply.status, 200, reply.raw)
  return reply.body
}

/** The reply is this status and this body. */
export function answers(reply: Reply<unknown>, status: number, body: object): void {
  assert.deepEqual([reply.status, reply.body], [status, body])
}

/** The browser's session is over. */
export async function assertLoggedOut(visitor: Visitor): Promise<void> {
  answers(await visitor.get('/account/profile'), 401, { message: 'Not authenticated' })
}
