import { commandsDuring } from '../redis-usage.ts'
import type { RedisClient } from './application.ts'
import type { Subject } from './subject.ts'
import type { Operation } from './variants.ts'

/** How many of each are looked at, one after the other. */
const REQUESTS = 10

/**
 * How many commands one request of each kind sends to Redis, once the scripts are known there.
 * @param database which the application has for itself
 */
export async function commandsOf(
  subject: Subject,
  operations: readonly Operation[],
  redis: RedisClient,
  database: number,
): Promise<Partial<Record<Operation, number>>> {
  const found: Partial<Record<Operation, number>> = {}
  const send = async (method: string, path: string, cookie?: string) => {
    const response = await fetch(`http://127.0.0.1:${subject.port}${path}`, {
      method,
      ...(cookie !== undefined && { headers: { cookie } }),
    })
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`The run is void: an answer with the status ${response.status}.`)
    return response.headers.getSetCookie()[0]?.split(';')[0]
  }
  const count = async (operation: Operation, request: () => Promise<unknown>) => {
    if (!operations.includes(operation)) return
    const commands = await commandsDuring(redis, database, async () => {
      for (let i = 0; i < REQUESTS; i++) await request()
    })
    found[operation] = commands / REQUESTS
  }
  if (!operations.includes('read')) {
    await count('visitor', () => send('GET', '/page'))
    return found
  }
  const cookie = await send('POST', '/login')
  await count('read', () => send('GET', '/page', cookie))
  // After others, since a store asks the server at the start how it is configured.
  await count('visitor', () => send('GET', '/page'))
  if (!operations.includes('write')) return found
  await send('POST', '/write', cookie)
  await count('write', () => send('POST', '/write', cookie))
  if (!operations.includes('login')) return found
  const cookies: (string | undefined)[] = []
  await send('POST', '/logout', await send('POST', '/login'))
  await count('login', async () => cookies.push(await send('POST', '/login')))
  await count('logout', () => send('POST', '/logout', cookies.pop()))
  return found
}
