import type { Changes, NewSession, Note, SessionRef, StoreCall } from '../../src/core/store.ts'
import { idOfToken, newToken } from '../../src/core/token.ts'
import { DEVICE, IDLE_TIMEOUT, ROLES } from './population.ts'

// What the store is called with, where it is the store alone that is measured.

/** No deadline: a benchmark waits. */
export const CALL: StoreCall = {
  signal: new AbortController().signal,
  expired: false,
  outcome: 'unknown',
  remaining: Number.POSITIVE_INFINITY,
}

export const NOTE: Note = { from: 'bench', type: 'created', cause: 'bench', actor: null, previous: null }

/** What most requests write: one field. */
export const CHANGE: Changes = {
  set: new Map([['username', 'andrea']]),
  remove: [],
  increments: [],
  replace: false,
  idleTimeout: null,
  requests: 1,
}

const FIELDS = new Map([
  ['roles', JSON.stringify(ROLES)],
  ['device', DEVICE],
  ['username', 'andrew'],
  ['page_views', '3'],
])

/** A session like those that the server is filled with. */
export function newSession(userId: string | null): NewSession {
  const maxPerUser = { limit: 1000, whenFull: 'evict-oldest' } as const
  const times = { idleTimeout: IDLE_TIMEOUT, lifetime: 12 * 60 * 60_000, begun: performance.now() }
  return { id: idOfToken(newToken(userId)), userId, ...times, fields: FIELDS, maxPerUser, note: NOTE }
}

/** Any of them. */
export function anyOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}

/** Takes any session out of the list, to be ended. */
export function takeOne(sessions: SessionRef[]): SessionRef {
  const at = Math.floor(Math.random() * sessions.length)
  const ref = sessions[at] as SessionRef
  sessions[at] = sessions.at(-1) as SessionRef
  sessions.pop()
  return ref
}
