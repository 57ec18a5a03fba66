import type { SessionStore } from '../src/index.ts'
import { redisStore } from '../src/redis.ts'
import { type ChosenRedis, chooseRedis, type RedisChoice } from './choose-redis.ts'
import type { CommandRecorder } from './recorder.ts'
import { openRedis } from './redis-client.ts'
import { spokenMemoryStore } from './spoken-memory-store.ts'

/** Where the demo keeps its sessions. */
export interface ChosenStore {
  readonly store: SessionStore
  /** Which one it is, in a few words. */
  readonly name: string
  /** Somebody named it. */
  readonly wasAsked: boolean
  /** It is a server of the demo's own. */
  readonly isPrivate: boolean
  /** Ends what the choice has started: connection and private server. */
  close(): Promise<void>
}

/** What choosing needs. */
export interface Choice extends RedisChoice {
  readonly recorder: CommandRecorder
}

/**
 * Takes the Redis that was asked for; else a local one; else a private one; else memory. Says which.
 * @throws DemoError when the Redis that was asked for does not answer
 */
export async function chooseStore(choice: Choice): Promise<ChosenStore> {
  const redis = await chooseRedis(choice)
  if (redis !== null) return overRedis(choice, redis)
  choice.say(
    'Sessions are kept in the memory of this process, as there is no Redis here: they end with it, and no other ' +
      'process sees them. Install redis-server, or name a Redis with --redis-url, for the real thing.',
  )
  return {
    store: spokenMemoryStore(choice.recorder.wouldSend),
    name: 'memory of this process',
    wasAsked: false,
    isPrivate: false,
    close: async () => {},
  }
}

async function overRedis(
  { asked, recorder, say }: Choice,
  { url, name, isPrivate, stop }: ChosenRedis,
): Promise<ChosenStore> {
  const client = await openRedis(url, say)
  return {
    store: redisStore(client, { onCommand: recorder.sent }),
    name,
    wasAsked: asked !== null,
    isPrivate,
    async close() {
      // At once: what is still waiting for an answer is rejected.
      client.destroy()
      await stop()
    },
  }
}
