import type { SessionStore } from '../src/index.ts'
import { redisStore } from '../src/redis.ts'
import { DemoError } from './demo-error.ts'
import { startPrivateRedis } from './private-redis.ts'
import type { CommandRecorder } from './recorder.ts'
import type { RedisAddress } from './redis-address.ts'
import { openRedis, whyNotRedis } from './redis-client.ts'
import { spokenMemoryStore } from './spoken-memory-store.ts'

/** Where the demo keeps its sessions. */
export interface ChosenStore {
  readonly store: SessionStore
  /** Which one it is, in a few words. */
  readonly name: string
  /** Ends what the choice has started: connection and private server. */
  close(): Promise<void>
}

/** What choosing needs. */
export interface Choice {
  /** The Redis that was asked for. It must answer. */
  readonly asked: RedisAddress | null
  /** The Redis to try when none was asked for. */
  readonly local: RedisAddress
  readonly recorder: CommandRecorder
  /** Says a line to whoever runs the demo. */
  readonly say: (line: string) => void
}

/**
 * Takes the Redis that was asked for; else a local one; else a private one; else memory. Says which.
 * @throws DemoError when the Redis that was asked for does not answer
 */
export async function chooseStore(choice: Choice): Promise<ChosenStore> {
  const { asked, local, say } = choice
  if (asked !== null) {
    const why = await whyNotRedis(asked.url)
    if (why !== null) throw new DemoError(`The Redis at ${asked.shown} cannot be used: ${why}.`)
    say(`Sessions are kept in the Redis at ${asked.shown}.`)
    return overRedis(choice, asked.url, `Redis at ${asked.shown}`)
  }

  const why = await whyNotRedis(local.url)
  if (why === null) {
    say(`Sessions are kept in the Redis at ${local.shown}.`)
    return overRedis(choice, local.url, `Redis at ${local.shown}`)
  }
  // That nothing is there is the ordinary case; everything else is worth a word.
  if (!why.includes('ECONNREFUSED')) say(`There is a server at ${local.shown}, but it cannot be used: ${why}.`)

  const server = await startPrivateRedis(say)
  if (server !== null) {
    const { program, port } = server
    say(
      `Sessions are kept in a private ${program} at 127.0.0.1:${port}: nothing on disk, and it ends with the demo. ` +
        `Look inside: redis-cli -p ${port}`,
    )
    return overRedis(choice, `redis://127.0.0.1:${port}`, `private ${program} at 127.0.0.1:${port}`, server.stop)
  }

  say(
    'Sessions are kept in the memory of this process, as there is no Redis here: they end with it, and no other ' +
      'process sees them. Install redis-server, or name a Redis with --redis-url, for the real thing.',
  )
  return { store: spokenMemoryStore(choice.recorder.wouldSend), name: 'memory of this process', close: async () => {} }
}

async function overRedis(
  { recorder, say }: Choice,
  url: string,
  name: string,
  stopServer: () => Promise<void> = async () => {},
): Promise<ChosenStore> {
  const client = await openRedis(url, say)
  return {
    store: redisStore(client, { onCommand: recorder.sent }),
    name,
    async close() {
      // At once: what is still waiting for an answer is rejected.
      client.destroy()
      await stopServer()
    },
  }
}
