import type { RedisClient } from '../support/redis-server.ts'

/** What Redis's clock shows, in epoch milliseconds. */
export async function timeOf(client: RedisClient): Promise<number> {
  const [seconds, micros] = (await client.sendCommand(['TIME'])) as unknown as [string, string]
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

/** Resolves when Redis's clock is past an instant. */
export async function passes(client: RedisClient, instant: number): Promise<void> {
  while ((await timeOf(client)) <= instant);
}
