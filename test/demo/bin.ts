import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

/** A folder that is gone after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-demo-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A PATH that begins with these programs: `'real'` is a Redis server, `'broken'` one that does not start. */
export async function pathWith(t: TestContext, programs: Record<string, 'real' | 'broken'>): Promise<string> {
  const folder = await temporaryFolder(t)
  for (const [name, kind] of Object.entries(programs)) {
    if (kind === 'real') await symlink(realRedis(), join(folder, name))
    else await writeFile(join(folder, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  }
  return `${folder}${delimiter}${process.env.PATH}`
}

/** The path of the server that the tests run. */
function realRedis(): string {
  const candidates = [process.env.REDIS_SERVER, 'redis-server', 'valkey-server'].filter((name) => name !== undefined)
  const find = 'for name; do command -v "$name" && exit; done'
  return spawnSync('/bin/sh', ['-c', find, 'sh', ...candidates], { encoding: 'utf8' }).stdout.trim()
}
