import type { RedisClient } from './application.ts'
import { FIRST_DATA, nextLogin, pageOf } from './page.ts'

// One HGETALL by hand, for a write one HSET more, and nothing else: what no session library on hashes can do with less.

export type Hash = Record<string, string>

export async function hashOf(client: RedisClient, cookieHeader: string | undefined): Promise<Hash> {
  const key = keyOf(cookieHeader)
  return key === null ? {} : await client.hGetAll(key)
}

/** Whether the session is alive, it does not ask: this would bring it back. */
export async function writeHash(client: RedisClient, cookieHeader: string | undefined, item: string): Promise<void> {
  const key = keyOf(cookieHeader)
  if (key !== null) await client.hSet(key, 'lastItem', item)
}

function keyOf(cookieHeader: string | undefined): string | null {
  const id = /(?:^|; )sid=([^;]+)/.exec(cookieHeader ?? '')?.[1]
  return id === undefined ? null : `floor:${id}`
}

export function pageOfHash({ name, views }: Hash = {}): ReturnType<typeof pageOf> {
  return pageOf({ ...(name && { name }), ...(views && { views: Number(views) }) })
}

/** As many fields, and as long, as a session of coatcheck has. @returns its id */
export async function beginHash(client: RedisClient): Promise<string> {
  const { userId, roles, device } = nextLogin()
  const id = crypto.randomUUID()
  const now = `${Date.now()}`
  const times = { created_at: now, last_accessed_at: now, session_ttl: '1800', deadline: now, authenticated_at: now }
  const user = { user_id: userId, roles: JSON.stringify(roles), device, request_count: '1' }
  await client.hSet(`floor:${id}`, { ...times, ...user, name: FIRST_DATA.name, views: FIRST_DATA.views })
  return id
}
