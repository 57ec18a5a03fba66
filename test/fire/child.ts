import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Scope } from '../support/http.ts'

// Programs in processes of their own, as they run in production: none outlives its test.

const LEASH = new URL('./leash.ts', import.meta.url).href
const APP = fileURLToPath(new URL('./app.ts', import.meta.url))

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Node's own options, such as `--expose-gc`. */
  readonly execArgv?: readonly string[]
}

/** What a child's handler threw. */
interface ChildError {
  readonly name: string
  readonly code: string
  readonly status: number
  readonly outcome?: string
  readonly message: string
}

export interface Child {
  readonly pid: number
  /** What it has printed so far. */
  readonly stdout: string
  readonly stderr: string
  /** What it said with `tellReady`. */
  // biome-ignore lint/suspicious/noExplicitAny: what a test sends and gets is between the test and its program
  readonly ready: Promise<any>
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  readonly isAlive: boolean
  /** Calls a handler that the child has given to `answer`. Rejects with a {@link ChildError}. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  ask(name: string, ...args: unknown[]): Promise<any>
  stop(): Promise<void>
}

/** Starts a program on this Node. It is killed when the scope ends. */
export function startChild(scope: Scope, file: string, { env, cwd, execArgv = [] }: ChildOptions = {}): Child {
  const child = spawn(process.execPath, ['--import', LEASH, ...execArgv, file], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Keeps NaN, undefined and lone surrogates.
    serialization: 'advanced',
  })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals)
  const asked = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  let questions = 0
  const ready = new Promise<unknown>((resolve, reject) => {
    child.on('message', (message: { ready?: unknown; id?: number; value?: unknown; error?: ChildError }) => {
      if ('ready' in message) resolve(message.ready)
      if (message.id === undefined) return
      const waiting = asked.get(message.id)
      asked.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.value)
      else waiting?.reject(message.error)
    })
    void ended.then((how) => {
      const error = new Error(`The program ended (${how}):\n${said.stdout}${said.stderr}`)
      reject(error)
      for (const { reject } of asked.values()) reject(error)
    })
  })
  // Whoever does not wait for it hears of the end otherwise.
  ready.catch(() => undefined)

  const isAlive = () => child.exitCode === null && child.signalCode === null
  const stop = async () => {
    if (isAlive()) child.kill('SIGKILL')
    await ended
  }
  scope.after(stop)
  return {
    pid: child.pid ?? assert.fail('no process'),
    get stdout() {
      return said.stdout
    },
    get stderr() {
      return said.stderr
    },
    ready,
    ended,
    get isAlive() {
      return isAlive()
    },
    ask(name, ...args) {
      const id = questions++
      return new Promise((resolve, reject) => {
        asked.set(id, { resolve, reject })
        child.send({ id, name, args }, (error) => error && reject(error))
      })
    },
    stop,
  }
}

/** What a test's application is told at its start. */
export interface AppSettings {
  readonly redisUrl: string
  /** Options of `createSessions` but the store. */
  readonly sessions?: object
  readonly prefix?: string
}

export interface App extends Child {
  readonly port: number
  readonly url: string
}

/** Starts test/fire/app.ts, and returns when it serves. */
export async function startApp(scope: Scope, settings: AppSettings, options: ChildOptions = {}): Promise<App> {
  const child = startChild(scope, APP, {
    ...options,
    execArgv: ['--expose-gc', ...(options.execArgv ?? [])],
    env: { APP: JSON.stringify(settings), ...options.env },
  })
  const port: number = await child.ready
  return Object.assign(child, { port, url: `http://127.0.0.1:${port}` })
}
