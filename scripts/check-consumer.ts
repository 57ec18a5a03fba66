/** Compiles the project in test/package/consumer against the packed package, with each supported major of node-redis. */
import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { installPacked } from './packed.ts'

const root = join(import.meta.dirname, '..')
const types = { express: 'express', '@types/express': '@types/express', '@types/node': '@types/node' }

for (const redis of ['redis', 'redis5']) {
  const consumer = installPacked({ redis, ...types })
  try {
    cpSync(join(root, 'test/package/consumer'), consumer.folder, { recursive: true })
    const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', consumer.folder], { stdio: 'inherit' })
    if (tsc.status !== 0) process.exitCode = 1
  } finally {
    consumer.remove()
  }
}
