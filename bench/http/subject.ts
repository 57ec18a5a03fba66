import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Variant } from './variants.ts'

/** An application under test, in a process of its own. */
export interface Subject {
  readonly port: number
  readonly pid: number
  /** Microseconds of processor time that it has used so far. */
  cpu(): Promise<number>
  /** Stops it where it is, until it is to go on: it uses no processor time meanwhile. */
  halt(): void
  goOn(): void
  stop(): Promise<void>
}

/** @param core on which it runs, alone among those that are measured; `null`: wherever the system puts it */
export async function start(
  { file, application }: Pick<Variant, 'file' | 'application'>,
  redisUrl: string,
  core: number | null,
): Promise<Subject> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [file, application, redisUrl], {
    env: { ...process.env, NODE_ENV: 'production' },
    ...(core !== null && { execPath: 'taskset', execArgv: ['-c', `${core}`, process.execPath] }),
  })
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  const { port } = await answerOf<{ port: number }>(child)
  return {
    port,
    pid: child.pid as number,
    async cpu() {
      const answer = answerOf<{ cpu: NodeJS.CpuUsage }>(child)
      child.send('cpu')
      const { cpu } = await answer
      return cpu.user + cpu.system
    },
    halt: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGCONT')
      child.disconnect()
      await exited
      process.off('exit', kill)
    },
  }
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const abandoned = new AbortController()
  const { signal } = abandoned
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as T),
      once(child, 'exit', { signal }).then(() => {
        throw new Error('The application under test has ended by itself.')
      }),
    ])
  } finally {
    abandoned.abort()
  }
}
