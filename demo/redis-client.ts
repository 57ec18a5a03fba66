import { createClient } from 'redis'
import type { NodeRedisClient } from '../src/redis/clients/node-redis.ts'

/** A node-redis client, as far as the demo uses it. */
export type RedisClient = NodeRedisClient & { destroy(): void }

/** A server that answers at all does so within this time. */
const PATIENCE = 3000

/**
 * Asks whether a Redis can keep the demo's sessions.
 * @returns `null` if it can, else why not
 */
export async function whyNotRedis(url: string): Promise<string | null> {
  const client = createClient({ url, socket: { connectTimeout: PATIENCE, reconnectStrategy: false } })
  // Said by connect() too.
  client.on('error', () => undefined)
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE / 1000} seconds`)), PATIENCE)
  })
  const ask = async () => {
    await client.connect()
    // Changes nothing (there is no such key), and only a Redis that can take the sessions accepts it: GT came with 7.0,
    // and a replica refuses it.
    await client.sendCommand(['PEXPIREAT', 'session:none', '1', 'GT'])
  }
  try {
    await Promise.race([ask(), patience])
    return null
  } catch (error) {
    return reason(error)
  } finally {
    clearTimeout(timer)
    if (client.isOpen) client.destroy()
  }
}

/** A connected client that reconnects by itself, at the latest a second after Redis is back. */
export async function openRedis(url: string, say: (line: string) => void): Promise<RedisClient> {
  const client = createClient({
    url,
    socket: { connectTimeout: 2000, reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 1000) },
  })
  // Once for each outage, not for each attempt.
  let away = false
  client.on('error', (error: unknown) => {
    if (!away) say(`Redis is away (${reason(error)}). Requests are answered with 503 until it is back.`)
    away = true
  })
  client.on('ready', () => {
    if (away) say('Redis is back.')
    away = false
  })
  await client.connect()
  return client
}

function reason(error: unknown): string {
  const { code, message = '' } = error as { code?: string; message?: string }
  if (code === 'ECONNREFUSED') return 'nothing listens there (ECONNREFUSED)'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `no such host (${code})`
  if (/^(?:NOAUTH|WRONGPASS)/.test(message)) {
    const kind = message.startsWith('NOAUTH') ? 'it wants a password' : 'it refuses the password'
    return `${kind}; set REDIS_PASSWORD, or put it in the URL`
  }
  if (/^READONLY/.test(message)) return 'it is a read-only replica'
  if (/^(?:MOVED|CLUSTERDOWN)/.test(message)) return 'it is a node of a cluster, which this demo does not speak to'
  if (/unknown command|wrong number of arguments/i.test(message)) {
    return 'it is too old; coatcheck needs Redis 7.0 or Valkey 7.2'
  }
  return code ?? (message || 'no connection')
}
