import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import { idOfSid } from '../../src/adapters/express-session/sid.ts'
import { CoatcheckStore, type CoatcheckStoreOptions } from '../../src/express-session.ts'
import type { RedisClient } from '../support/redis-server.ts'

// What the tests of the store for express-session share.

/** A session as its users write it: whatever they like, and a cookie. */
// biome-ignore lint/suspicious/noExplicitAny: an application's own properties
export type Own = SessionData & Record<string, any>

export function newStore(client: RedisClient, options: Omit<CoatcheckStoreOptions, 'client'> = {}): CoatcheckStore {
  return new CoatcheckStore({ client, ...options })
}

/** A session that nobody has read: an object of the caller's own. */
export function plain(properties: object = {}, cookie: object = { originalMaxAge: null, expires: null }): Own {
  return { ...properties, cookie } as Own
}

/** A cookie that expires so many milliseconds from now. */
export function lasting(ms: number): object {
  return { path: '/', httpOnly: true, originalMaxAge: ms, expires: new Date(Date.now() + ms) }
}

/** What a store gives back of a session, with its cookie, as JSON keeps it. */
export function asJson(session: object): unknown {
  return JSON.parse(JSON.stringify(session))
}

/** The hash of the session with this id. */
export function keyOf(prefix: string, sid: string): string {
  const id = idOfSid(sid)
  return `${prefix}{${id.slice(0, 2)}}:${id.slice(2)}`
}

export async function read(store: CoatcheckStore, sid: string): Promise<Own> {
  return ((await store.get(sid)) as Own | null) ?? assert.fail(`no session ${sid}`)
}

export const ENDED = { code: 'ERR_SESSION_ENDED', status: 401 }
