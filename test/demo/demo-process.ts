import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

// The demo as a process of its own, as its users run it.

export interface DemoProcess {
  readonly pid: number
  /** Where each instance listens. */
  readonly urls: readonly string[]
  /** Everything said so far, on both streams. */
  readonly output: () => string
  /** Settles when the process has ended and all it wrote has been read. */
  readonly ended: Promise<Ended>
  signal(name: NodeJS.Signals): void
  /** Ends it as Ctrl-C does. */
  stop(): Promise<Ended>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface DemoOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Where the demo looks for a Redis of this machine. Default: where nothing listens. */
  readonly localPort?: number
}

const MAIN = fileURLToPath(new URL('../../demo/main.ts', import.meta.url))
const START = fileURLToPath(new URL('./start.ts', import.meta.url))
const READY = 'Ctrl-C ends the demo.'

/** Starts `node demo/main.ts` with these arguments and waits until it serves. It needs `--redis-url` or the like. */
export function startDemo(args: readonly string[], options: DemoOptions = {}): Promise<DemoProcess> {
  return serving(launch([MAIN, ...args], options))
}

/** As {@link startDemo}, for a demo that finds its store by itself. */
export function startSearchingDemo(args: readonly string[], options: DemoOptions = {}): Promise<DemoProcess> {
  return serving(launch([START, String(options.localPort ?? 1), ...args], options))
}

/** Runs a demo that is expected to end by itself. */
export function runDemo(args: readonly string[], options: DemoOptions = {}): Promise<Ended> {
  return launch([MAIN, ...args], options).ended
}

// A test run that is stopped ends its demos, by the listeners of `exit`.
process.once('SIGTERM', () => process.exit(1))

interface Launched {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  readonly output: () => string
}

function launch(argv: readonly string[], { env = {} }: DemoOptions): Launched {
  const child = spawn(process.execPath, [...argv], {
    // Nothing of the developer's own: a PORT or REDIS_URL there is none of the test's business.
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that a test can press Ctrl-C.
    detached: true,
  })
  const said = { stdout: '', stderr: '' }
  const all: string[] = []
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
      all.push(text)
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...said }) as Ended)
  // A test that fails must not leave its demo behind.
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  child.on('exit', () => process.off('exit', kill))
  return { child, ended, output: () => all.join('') }
}

async function serving({ child, ended, output }: Launched): Promise<DemoProcess> {
  const lines = createInterface(child.stdout as NodeJS.ReadableStream)
  const ready = new Promise<true>((resolve) => lines.on('line', (line) => line === READY && resolve(true)))
  if ((await Promise.race([ready, ended])) !== true) throw new Error(`The demo ended: ${output()}`)
  // To the whole group, as a terminal does.
  const signal = (name: NodeJS.Signals) => void process.kill(-(child.pid as number), name)
  return {
    pid: child.pid as number,
    urls: output().match(/http:\S+/g) ?? [],
    output,
    ended,
    signal,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) signal('SIGINT')
      return ended
    },
  }
}

/** Asks again and again until the answer is not `null`, `undefined` or `false`; fails if that takes too long. */
export async function until<T>(ask: () => Promise<T | null | undefined | false>, patience = 20_000): Promise<T> {
  const end = performance.now() + patience
  while (performance.now() < end) {
    const answer = await ask()
    if (answer) return answer
    await pause(5)
  }
  throw new Error(`waited ${patience} ms in vain until ${ask}`)
}

/** Whether something accepts connections on a loopback port. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
