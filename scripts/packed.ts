import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** A project outside the repository, with coatcheck installed in it as its users get it. */
export interface Consumer {
  readonly folder: string
  remove(): void
}

/**
 * Builds and packs coatcheck, and installs the package, without a network: what it depends on is linked from our
 * node_modules, and nothing else is, so that an import of something undeclared fails here as it would for a user.
 *
 * @param others more packages of the project, by name, with where they are in our node_modules
 */
export function installPacked(others: Readonly<Record<string, string>> = {}): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-consumer-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const { name, version, dependencies, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const installed = join(folder, 'node_modules', name)
    mkdirSync(installed, { recursive: true })
    // In a folder of its own: tests that do this run side by side, and there is one dist/ in the repository.
    const staged = join(folder, 'node_modules/.staged')
    for (const file of ['package.json', ...files, 'README.md', 'LICENSE']) {
      if (file !== 'dist') cpSync(join(root, file), join(staged, file), { recursive: true })
    }
    run('tsc', ['-p', 'tsconfig.build.json', '--outDir', join(staged, 'dist')])
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], staged)
    rmSync(staged, { recursive: true })
    run('tar', ['-xzf', join(folder, `${name}-${version}.tgz`), '-C', installed, '--strip-components=1'])

    for (const dependency of Object.keys(dependencies)) link(folder, dependency, dependency)
    for (const [other, source] of Object.entries(others)) link(folder, other, source)
  } catch (error) {
    remove()
    throw error
  }
  return { folder, remove }
}

/** Quiet, unless it fails. */
function run(program: string, args: string[], cwd = root): void {
  const env = { ...process.env, PATH: join(root, 'node_modules/.bin') + delimiter + process.env.PATH }
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args[0]} failed:\n${stdout}${stderr}`)
}

function link(folder: string, name: string, source: string): void {
  const path = join(folder, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(join(root, 'node_modules', source), path)
}
