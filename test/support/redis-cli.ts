import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** `redis-cli`, or Valkey's: beside the server that `REDIS_SERVER` names, or else found in the PATH. */
function program(): string {
  const { REDIS_SERVER } = process.env
  const names = ['redis-cli', 'valkey-cli']
  const folders = REDIS_SERVER === undefined ? (process.env.PATH ?? '').split(':') : [dirname(REDIS_SERVER)]
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync)
  if (found === undefined) throw new Error('No redis-cli or valkey-cli beside the server: see CONTRIBUTING.md')
  return found
}

/** Runs it to its end. @returns what it printed, and whether it says that all went well */
export function redisCli(...args: string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    execFile(program(), args, { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: stdout + stderr })
    })
  })
}
