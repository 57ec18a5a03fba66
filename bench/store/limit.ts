import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { findRedisServer } from '../../scripts/programs.mjs'

/**
 * How often a second the server can do one command, by its own benchmark with as many connections: more than any client of
 * Node will get. `null`: there is no redis-benchmark beside the server.
 */
export function serverLimit(
  port: number,
  connections: number,
  requests: number,
  words: readonly string[],
): number | null {
  const beside = join(dirname(findRedisServer() ?? ''), 'redis-benchmark')
  for (const program of [beside, 'redis-benchmark', 'valkey-benchmark']) {
    const options = ['-p', `${port}`, '-c', `${connections}`, '-n', `${requests}`, '--csv']
    const { status, stdout } = spawnSync(program, [...options, ...words], { encoding: 'utf8' })
    if (status === 0) return perSecondIn(stdout)
  }
  return null
}

/** In its last line: the command in quotes, which may hold anything, and then the numbers, the rate first. */
export function perSecondIn(csv: string): number {
  const numbers =
    csv
      .trim()
      .split('\n')
      .at(-1)
      ?.match(/"[\d.]+"/g) ?? []
  // rps, then six latencies.
  const rate = Number(numbers.at(-7)?.slice(1, -1))
  if (!(rate > 0)) throw new Error('redis-benchmark has said something that cannot be read.')
  return rate
}
