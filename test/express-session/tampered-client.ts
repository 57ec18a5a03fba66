import { scripts } from '../../src/redis/scripts.ts'
import type { RedisClient } from '../../src/redis.ts'
import type { RedisClient as NodeRedisClient } from '../support/redis-server.ts'

const nameOfScript = new Map(Object.entries(scripts).map(([name, { sha1 }]) => [sha1, name]))

/** What a command does: the name of its script, or of the command. */
export function deedOf([word = '', sha1 = '']: readonly string[]): string {
  return nameOfScript.get(sha1) ?? word
}

/**
 * A client that a test stands in front of: `before` and `after` each command, which may wait, or throw as if the connection
 * were lost.
 */
export function tampered(
  client: NodeRedisClient,
  { before, after }: { before?: (deed: string) => unknown; after?: (deed: string) => unknown },
): RedisClient {
  return {
    get isReady() {
      return client.isReady
    },
    async sendCommand(words: readonly string[], options?: object) {
      await before?.(deedOf(words))
      const reply = await client.sendCommand([...words], options)
      await after?.(deedOf(words))
      return reply
    },
    on: (event, listener) => client.on(event, listener),
    off: (event, listener) => client.off(event, listener),
    listenerCount: (event) => client.listenerCount(event as 'error'),
    duplicate: () => client.duplicate() as never,
  }
}
