import { DemoError } from './demo-error.ts'
import { startPrivateRedis } from './private-redis.ts'
import type { RedisAddress } from './redis-address.ts'
import { whyNotRedis } from './redis-client.ts'

/** A Redis that answers. */
export interface ChosenRedis {
  readonly url: string
  /** Which one it is, in a few words. */
  readonly name: string
  /** It ends with this program. */
  readonly isPrivate: boolean
  /** Ends it, if it is a private one. */
  stop(): Promise<void>
  /** Lets the process end while it runs; a private one ends with the process. */
  unref(): void
}

/** What choosing a Redis needs. */
export interface RedisChoice {
  /** The Redis that was asked for. It must answer. */
  readonly asked: RedisAddress | null
  /** The Redis to try when none was asked for. */
  readonly local: RedisAddress
  /** Says a line to whoever runs the program. */
  readonly say: (line: string) => void
}

/**
 * Takes the Redis that was asked for; else a local one; else a private one. Says which; `null` if there is none.
 * @throws DemoError when the Redis that was asked for does not answer
 */
export async function chooseRedis({ asked, local, say }: RedisChoice): Promise<ChosenRedis | null> {
  const why = await whyNotRedis((asked ?? local).url)
  if (why === null) return there(asked ?? local, say)
  if (asked !== null) throw new DemoError(`The Redis at ${asked.shown} cannot be used: ${why}.`)
  // That nothing is there is the ordinary case; everything else is worth a word.
  if (!why.includes('ECONNREFUSED')) say(`There is a server at ${local.shown}, but it cannot be used: ${why}.`)

  const server = await startPrivateRedis(say)
  if (server === null) return null
  const { program, port, stop, unref } = server
  say(
    `Sessions are kept in a private ${program} at 127.0.0.1:${port}: nothing on disk, and it ends with this program. ` +
      `Look inside: redis-cli -p ${port}`,
  )
  return {
    url: `redis://127.0.0.1:${port}`,
    name: `private ${program} at 127.0.0.1:${port}`,
    isPrivate: true,
    stop,
    unref,
  }
}

function there({ url, shown }: RedisAddress, say: (line: string) => void): ChosenRedis {
  say(`Sessions are kept in the Redis at ${shown}.`)
  return { url, name: `Redis at ${shown}`, isPrivate: false, stop: async () => {}, unref: () => {} }
}
