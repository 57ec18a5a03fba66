import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Of each test and suite: one that waits for what never comes fails by this. */
const TEST_TIMEOUT = 60_000
/** Of a whole file: the end of what no timeout of a test ends, such as a loop without a pause. */
const FILE_TIMEOUT = 300_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** What became of a test file: `failed` with the test, or `hung`, or `broken`: it ended in an error, and no test did. */
export type Ending = { readonly failed: string } | 'passed' | 'hung' | 'broken'

/** Runs one test file, no further than to the first test that fails. @param client of Redis, where it tries several */
export function runTests(cwd: string, file: string, client: string): Promise<Ending> {
  const child = spawn(process.execPath, ['--test-reporter=tap', `--test-timeout=${TEST_TIMEOUT}`, file], {
    cwd,
    env: { ...process.env, CONTRACT_CLIENT: client },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  running.add(child)
  return new Promise((resolve) => {
    const end = (ending: Ending) => {
      resolve(ending)
      clearTimeout(timer)
      child.kill('SIGKILL')
    }
    const timer = setTimeout(() => end('hung'), FILE_TIMEOUT)
    const names: string[] = []
    createInterface(child.stdout).on('line', (line) => {
      const [, indent = '', begun, failed] = /^( *)(?:# Subtest: (.*)|not ok \d+ - (.*))$/.exec(line) ?? []
      const depth = indent.length / 4
      if (begun !== undefined) names[depth] = plain(begun)
      // The innermost test is listed before the suites around it.
      if (failed !== undefined) end({ failed: [...names.slice(0, depth), plain(failed)].join(' › ') })
    })
    child.once('close', (status) => {
      running.delete(child)
      end(status === 0 ? 'passed' : 'broken')
    })
  })
}

/** TAP escapes what it would read as something else. */
function plain(name: string): string {
  return name.replace(/\\([#\\])/g, '$1')
}
