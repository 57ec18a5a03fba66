import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { findRedisServer } from '../scripts/programs.mjs'

/** Where and of what something was measured. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory: string
  readonly system: string
  readonly versions: Readonly<Record<string, string>>
  readonly measuredAt: string
}

/** What is measured, or measures. */
const PACKAGES = [
  'express',
  'express-session',
  'fastify',
  '@fastify/session',
  'hono',
  '@hono/node-server',
  'connect-redis',
  'redis',
  'ioredis',
  'autocannon',
]

export function describeMachine(): Machine {
  const versions: Record<string, string> = { 'Node.js': process.version.slice(1), 'Redis server': redisVersion() }
  for (const name of PACKAGES) versions[name] = versionOf(name)
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${process.arch}`,
    versions,
    measuredAt: new Date().toISOString().slice(0, 10),
  }
}

/** Whether a process can be bound to one processor core here. */
export function canPin(): boolean {
  return availableParallelism() > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0
}

/** Has a process, with all its threads, run on some processor cores only: `0`, or `1-3`. */
export function bind(pid: number, cores: string): void {
  const { status } = spawnSync('taskset', ['-a', '-c', '-p', cores, `${pid}`])
  if (status !== 0) throw new Error(`The process ${pid} cannot be bound to the cores ${cores}.`)
}

/** `Redis server v=7.0.15 …`, or Valkey's. */
function redisVersion(): string {
  const said = execFileSync(findRedisServer() ?? 'redis-server', ['--version'], { encoding: 'utf8' })
  return /v=(\S+)/.exec(said)?.[1] ?? said.trim()
}

function versionOf(name: string): string {
  const file = join(import.meta.dirname, '../node_modules', name, 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
