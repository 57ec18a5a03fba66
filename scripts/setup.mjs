// Makes the repository ready to run: `node scripts/setup.mjs` for the demo, with `--test` for the tests as well, with
// `--reference` for the API reference.
// The npm scripts begin with it; when nothing is missing it takes a moment. It has to run on Node 20 without any
// dependency, because it is what installs them, Node 24 among them.
//
// They call it as `npm run setup`: not as a `pre` script, which npm leaves out where install scripts are switched off,
// and not as `node scripts/setup.mjs`, after which the shell would remember the wrong `node` for the rest of the line.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { findChromium, findRedisServer } from './programs.mjs'

const root = join(import.meta.dirname, '..')
const forTests = process.argv.includes('--test')

await withLock(join(root, '.setup.lock'), () => {
  installPackages(root)
  needNode(24)
  if (process.argv.includes('--reference')) installPackages(join(root, 'scripts/reference'))
  if (!forTests) return
  installPackages(join(root, 'test/package/node22'))
  installPrograms()
})

/**
 * `npm ci`, when the lockfile is not the one that was installed last.
 * @param {string} folder
 */
function installPackages(folder) {
  const hash = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  const wanted = `${process.platform}-${process.arch} ${hash}\n`
  // Inside node_modules, so that it goes when they go.
  const stamp = join(folder, 'node_modules/.coatcheck-setup')
  if (read(stamp) === wanted) return

  say(`installing the packages of ${folder === root ? 'the project' : folder.slice(root.length + 1)} …`)
  // npm runs itself by the first `node` in the PATH. That must not be the one in node_modules, which it is replacing.
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'))
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    env: { ...process.env, PATH: path.join(delimiter) },
  })
  writeFileSync(stamp, wanted)
}

/**
 * The scripts run TypeScript as it is, with the Node of node_modules, which npm puts first in their PATH. Where npm
 * may not run install scripts it is not there, and the system's Node takes its place without a word.
 * @param {number} major
 */
function needNode(major) {
  const PATH = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  const { stdout } = spawnSync('node', ['--version'], { encoding: 'utf8', env: { ...process.env, PATH } })
  const version = stdout?.trim() || 'none'
  if (Number.parseInt(version.slice(1), 10) >= major) return
  // So that the next run tries again.
  rmSync(join(root, 'node_modules/.coatcheck-setup'))
  fail(
    `This needs Node ${major}, and finds ${version}. npm installs it with the other packages, unless install scripts ` +
      `are switched off (ignore-scripts). Allow them, or install Node ${major}, and try again.`,
  )
}

/** Redis and Chromium, by the system's package manager, where it lets us. */
function installPrograms() {
  const needed = [
    { name: 'Redis', variable: 'REDIS_SERVER', find: findRedisServer, apt: 'redis-server', brew: 'redis' },
    { name: 'Chromium', variable: 'CHROMIUM', find: findChromium, apt: 'chromium', brew: 'chromium' },
  ].filter(({ find }) => !find())
  if (needed.length === 0) return

  for (const { variable } of needed) {
    if (process.env[variable]) fail(`${variable}=${process.env[variable]} does not run.`)
  }
  const names = needed.map(({ name }) => name).join(' and ')
  const elsewhere = needed.map(({ variable }) => `${variable}=/path/to/program`).join(', ')
  const advice = `Install them and try again, or say where they are: ${elsewhere}.`

  const managers = [
    {
      program: 'apt-get',
      asRoot: true,
      command: `apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${needed.map(({ apt }) => apt).join(' ')}`,
    },
    { program: 'brew', asRoot: false, command: `brew install ${needed.map(({ brew }) => brew).join(' ')}` },
  ]
  const manager = managers.find(({ program }) => succeeds(program, ['--version']))
  if (manager === undefined) fail(`The tests need ${names}. ${advice}`)

  const sudo = manager.asRoot && process.getuid?.() !== 0
  if (sudo && !succeeds('sudo', ['-n', 'true'])) {
    fail(`The tests need ${names}. ${advice} Here, that is:\n  sudo sh -c '${manager.command}'`)
  }
  say(`installing ${names} with ${manager.program} …`)
  const [program = '', ...args] = [...(sudo ? ['sudo', '-n'] : []), 'sh', '-c', manager.command]
  run(program, args)
  for (const { name, find } of needed) if (!find()) fail(`${name} was installed, but does not run. ${advice}`)
}

/**
 * Two scripts started at once must not both replace node_modules: the second waits, and then finds nothing to do.
 * @param {string} path
 * @param {() => void} work
 */
async function withLock(path, work) {
  // A symbolic link comes into being with its content, the holder's pid, in one step.
  for (let waiting = false; ; waiting = true) {
    try {
      symlinkSync(String(process.pid), path)
      break
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    }
    if (!waiting) say('waiting for another set-up to finish …')
    if (holderIsGone(path)) remove(path)
    else await setTimeout(200)
  }
  // Also when it ends by process.exit().
  process.on('exit', () => remove(path))
  work()
}

/** @param {string} path */
function holderIsGone(path) {
  try {
    process.kill(Number(readlinkSync(path)), 0)
    return false
  } catch (error) {
    // ENOENT: released meanwhile. EPERM: alive, somebody else's.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH'
  }
}

/** @param {string} path */
function remove(path) {
  rmSync(path, { force: true })
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/**
 * @param {string} program
 * @param {string[]} args
 */
function succeeds(program, args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} options
 */
function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options })
  if (status !== 0) fail(`${program} ${args[0]} failed${error ? `: ${error.message}` : ''}.`)
}

/** @param {string} message */
function say(message) {
  console.log(`set-up: ${message}`)
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(`set-up: ${message}`)
  process.exit(1)
}
