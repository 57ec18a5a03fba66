import type { RedisClient } from '../support/redis-server.ts'

/** A key as it is in Redis. */
export interface StoredKey {
  readonly key: string
  /** Epoch ms; below 0: it never expires. */
  readonly expires: number
  readonly hash?: Readonly<Record<string, string>>
  /** Scores by member. */
  readonly entries?: ReadonlyMap<string, number>
}

/** Everything under a prefix. */
export interface Stored {
  /** The server's time. */
  readonly now: number
  readonly keys: readonly StoredKey[]
}

/** Reads everything under a prefix from every master, when nobody writes any more. */
export async function readStored(masters: readonly RedisClient[], prefix: string): Promise<Stored> {
  const keys: StoredKey[] = []
  let now = 0
  for (const client of masters) {
    const names = new Set<string>()
    for await (const batch of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
      for (const name of batch) names.add(name)
    }
    keys.push(...(await Promise.all([...names].map((name) => readKey(client, name, prefix)))).flat())
    const [seconds, microseconds] = await client.sendCommand<[string, string]>(['TIME'])
    now = Math.max(now, Number(seconds) * 1000 + Number(microseconds) / 1000)
  }
  return { now, keys }
}

async function readKey(client: RedisClient, name: string, prefix: string): Promise<StoredKey[]> {
  const [type, expires] = await Promise.all([client.type(name), client.pExpireTime(name)])
  const key = name.slice(prefix.length)
  if (type === 'hash') return [{ key, expires, hash: { ...(await client.hGetAll(name)) } }]
  if (type === 'zset') {
    const members = await client.zRangeWithScores(name, 0, -1)
    return [{ key, expires, entries: new Map(members.map(({ value, score }) => [value, score])) }]
  }
  // It has expired meanwhile.
  return type === 'none' ? [] : [{ key, expires }]
}
