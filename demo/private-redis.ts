import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** A Redis server of this program's own. */
export interface PrivateRedis {
  /** Such as `redis-server`. */
  readonly program: string
  readonly port: number
  /** Ends it; returns when the process is gone. */
  stop(): Promise<void>
  /** Lets the process end while the server runs, which then ends with it. */
  unref(): void
}

/** The server programs to look for, in this order. */
const PROGRAMS = ['redis-server', 'valkey-server']

// The shell waits for the end of its standard input, a pipe that only the demo holds. The pipe closes however the demo
// ends, by SIGKILL too, and then the shell ends the server. The directory is there because a server needs one: it is told
// to write nothing into it.
const GUARD = `
trap '' INT TERM HUP
dir=$(mktemp -d) || exit 1
"$@" --dir "$dir" </dev/null 2>&1 &
exec >/dev/null
while read -r _; do :; done
kill -KILL "$!"
wait "$!"
rm -rf "$dir"
`

const READY = 'Ready to accept connections'
const START_TIMEOUT = 5000

/** Starts the first server program that is installed and works; `null` if there is none. */
export async function startPrivateRedis(say: (line: string) => void): Promise<PrivateRedis | null> {
  if (process.platform === 'win32') return null
  for (const program of PROGRAMS) {
    const path = await findProgram(program)
    if (path === null) continue
    // A free port may be taken before the server binds it.
    for (let attempt = 0; attempt < 3; attempt++) {
      const server = await launch(program, path, await freePort())
      if (server !== null) return server
    }
    say(`${program} is installed but does not start.`)
  }
  return null
}

async function launch(program: string, path: string, port: number): Promise<PrivateRedis | null> {
  const args = ['--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--appendonly', 'no', '--daemonize', 'no']
  args.push('--maxmemory', '256mb', '--maxmemory-policy', 'noeviction')
  // Detached: a Ctrl-C in the terminal reaches the demo alone, which answers what is under way and then ends the server.
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', path, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  const exited = once(guard, 'exit')
  const unref = () => {
    for (const handle of [guard, guard.stdin as Socket, guard.stdout as Socket]) handle.unref()
  }
  const stop = async () => {
    guard.stdin.end()
    await exited
  }
  if (await isReady(guard, guard.stdout)) return { program, port, stop, unref }
  await stop()
  return null
}

/** Whether the server says so before it ends or the time is up. */
async function isReady(guard: ChildProcess, stdout: Readable): Promise<boolean> {
  const giveUp = setTimeout(() => guard.stdin?.end(), START_TIMEOUT)
  const lines = createInterface(stdout)
  try {
    for await (const line of lines) {
      if (line.includes(READY)) return true
    }
    return false
  } finally {
    clearTimeout(giveUp)
    lines.close()
    // What the server says from now on is read and dropped: a full pipe would stop it.
    stdout.resume()
  }
}

async function findProgram(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, name)
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (executable) return path
  }
  return null
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('A TCP server has no port.')
  return address.port
}
