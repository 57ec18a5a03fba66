import crypto, { randomInt } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { partitionOfUser } from '../../src/core/token.ts'
import { type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { anyRules, USERS } from './arbitraries.ts'
import { anyCommand } from './commands.ts'
import { Model } from './model.ts'
import { World } from './world.ts'

// Random sequences of operations, done at once on a plain model, a memory store and a Redis store: after every step the three
// agree. MODEL_RUNS says how many. A failure tells its seed, path and replayPath; MODEL_SEED, MODEL_PATH and MODEL_REPLAY
// repeat it.
const { MODEL_RUNS = '200', MODEL_SEED = String(randomInt(2 ** 31)), MODEL_PATH, MODEL_REPLAY } = process.env

const { randomBytes } = crypto

/** What every module gets for `randomBytes` from now on. */
function use(source: (size: number) => Buffer): void {
  Object.assign(crypto, { randomBytes: source })
  syncBuiltinESMExports()
}

describe('sessions', () => {
  let server: RedisServer
  let client: RedisClient

  before(async () => {
    server = await startRedis()
    client = await server.connect()
    // A session without a user begins in a random partition, one of 256. Here it meets others: it is put with the first user.
    use((size) => {
      const bytes = randomBytes(size)
      bytes[0] = partitionOfUser(USERS[0])
      return bytes
    })
  })

  after(async () => {
    use(randomBytes)
    await server.stop()
  })

  it('do the same on every store, and as the model says', async (t) => {
    t.diagnostic(`MODEL_SEED=${MODEL_SEED} MODEL_RUNS=${MODEL_RUNS}`)
    const commands = fc.commands([anyCommand], {
      maxCommands: 60,
      size: 'max',
      ...(MODEL_REPLAY !== undefined && { replayPath: MODEL_REPLAY }),
    })
    const property = fc.asyncProperty(anyRules, fc.noBias(commands), async (rules, commands) => {
      const model = new Model(rules)
      const world = new World(client, rules)
      try {
        await fc.asyncModelRun(() => ({ model, real: world }), commands)
      } finally {
        await world.end()
      }
    })
    await fc.assert(property, {
      numRuns: Number(MODEL_RUNS),
      seed: Number(MODEL_SEED),
      ...(MODEL_PATH !== undefined && { path: MODEL_PATH }),
    })
  })
})
