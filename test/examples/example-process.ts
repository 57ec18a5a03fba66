import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Scope, TestServer } from '../support/http.ts'
import { freePort } from '../support/redis-server.ts'

// Examples as `npm run example` runs them, each as a process of its own. They end with the tests: they notice that whoever has
// started them is gone.

const EXAMPLE = fileURLToPath(new URL('../../scripts/example.ts', import.meta.url))
const START = fileURLToPath(new URL('./start.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Example extends TestServer {
  /** Everything that it has said. */
  readonly output: string
  readonly ended: Promise<Ended>
  /** Tells it to end, as a supervisor does. */
  terminate(): Promise<Ended>
}

/** Starts an example and returns when it listens. It has ended when the test has. */
export async function startExample(
  scope: Scope,
  name: string,
  env: Readonly<Record<string, string>>,
  { localPort }: { localPort?: number } = {},
): Promise<Example> {
  const port = await freePort()
  const example = launch(localPort === undefined ? [EXAMPLE, name] : [START, String(localPort), name], port, env)
  scope.after(() => example.kill())
  const lines = createInterface(example.stdout)
  const ready = new Promise<true>((resolve) => {
    lines.on('line', (line) => line === `Listening on ${example.url}` && resolve(true))
  })
  if ((await Promise.race([ready, example.ended])) !== true) throw new Error(`${name} ended: ${example.output}`)
  return example
}

/** Runs what is expected to end by itself. */
export async function runExample(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended & { output: string }> {
  const example = launch([START, ...args], await freePort(), env)
  return { ...(await example.ended), output: example.output }
}

function launch(argv: readonly string[], port: number, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [...argv], {
    // Nothing of the developer's own: a REDIS_URL there is none of the test's business.
    env: { PATH: process.env.PATH, PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code, signal }))
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return {
    port,
    url: `http://localhost:${port}`,
    stdout: child.stdout,
    ended,
    get output() {
      return output
    },
    terminate: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
