import type { RedisClient } from '../../test/support/redis-server.ts'

/** Bytes that a server uses for what it holds: without what it keeps for its connections, which comes and goes. */
export async function usedMemory(client: RedisClient): Promise<number> {
  const info = await client.info('memory')
  const bytes = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
  return bytes('used_memory') - bytes('mem_clients_normal') - bytes('mem_cluster_links')
}
