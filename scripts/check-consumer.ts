/** Compiles the project in test/package/consumer against the packed package, with each supported major of the Redis clients. */
import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { installPacked } from './packed.ts'

const root = join(import.meta.dirname, '..')
const types = {
  express: 'express',
  '@types/express': '@types/express',
  '@types/express-session': '@types/express-session',
  '@types/node': '@types/node',
  'express-session': 'express-session',
  '@fastify/cookie': '@fastify/cookie',
  '@fastify/session': '@fastify/session',
  fastify: 'fastify',
  hono: 'hono',
}

const clients = [
  { redis: 'redis', ioredis: 'ioredis', iovalkey: 'iovalkey' },
  { redis: 'redis5', ioredis: 'ioredis5', iovalkey: 'iovalkey' },
]

for (const versions of clients) {
  const consumer = installPacked({ ...versions, ...types })
  try {
    cpSync(join(root, 'test/package/consumer'), consumer.folder, { recursive: true })
    const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', consumer.folder], { stdio: 'inherit' })
    if (tsc.status !== 0) process.exitCode = 1
  } finally {
    consumer.remove()
  }
}
