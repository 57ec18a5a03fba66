import type { createClient } from 'redis'

type Client = ReturnType<typeof createClient>

/** Microseconds of processor time that the server has used so far. */
export async function redisCpu(client: Client): Promise<number> {
  const info = await client.info('cpu')
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? Number.NaN)
  return Math.round((seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6)
}

/**
 * How many commands clients send to one database while `work` runs. What scripts do inside the server, which commandstats counts
 * too, is none.
 */
export async function commandsDuring(client: Client, database: number, work: () => Promise<void>): Promise<number> {
  const watcher = client.duplicate()
  await watcher.connect()
  let commands = 0
  const marker = `bench-${Math.random()}`
  let resolve: () => void
  const seen = new Promise<void>((done) => {
    resolve = done
  })
  await watcher.monitor((line) => {
    // 1700000000.123456 [0 127.0.0.1:1234] "HGETALL" "key"; of a script: [0 lua]
    const [, inDatabase, by] = /^\S+ \[(\d+) (\S+)\]/.exec(line) ?? []
    if (line.includes(marker)) resolve()
    else if (Number(inDatabase) === database && by !== 'lua') commands++
  })
  await work()
  await client.echo(marker)
  await seen
  watcher.destroy()
  return commands
}
