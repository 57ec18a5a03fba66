import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ROOT } from './pages.ts'
import { REACT_ROUTER } from './react-router.ts'

/**
 * A folder like that of an application: programs in it import `coatcheck/...`, `express` and `redis` by their names. The
 * package's own `exports` decide what `coatcheck/...` is, with the sources in place of the build.
 */
export class Sandbox {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'coatcheck-docs-'))

  constructor() {
    const modules = join(this.folder, 'node_modules')
    mkdirSync(modules)
    for (const name of readdirSync(join(ROOT, 'node_modules'))) {
      if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
    }
    const { name, version, type, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const own = join(modules, name)
    mkdirSync(own)
    symlinkSync(join(ROOT, 'src'), join(own, 'src'))
    const sources = Object.entries<{ default?: string }>(exports).flatMap(([key, target]) =>
      target.default === undefined ? [] : [[key, target.default.replace('./dist/', './src/').replace(/js$/, 'ts')]],
    )
    this.write('node_modules/coatcheck/package.json', { name, version, type, exports: Object.fromEntries(sources) })
    const router = join(modules, 'react-router')
    mkdirSync(router)
    for (const [file, text] of Object.entries(REACT_ROUTER)) writeFileSync(join(router, file), text)
    this.write('package.json', { type: 'module', private: true })
    this.write('tsconfig.json', {
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { noEmit: true, noUnusedLocals: false, paths: {} },
      include: ['*.ts'],
      exclude: [],
    })
  }

  write(path: string, content: string | object): string {
    const file = join(this.folder, path)
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
    return file
  }

  /** Starts a program of the folder on this Node. */
  start(file: string, env: Record<string, string>): Running {
    return new Running(
      spawn(process.execPath, [file], {
        cwd: this.folder,
        env: { PATH: process.env.PATH, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
  }

  /** What the compiler says of all programs in the folder; nothing, if all is well. */
  async typeErrors(): Promise<string> {
    const tsc = new Running(
      spawn(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], { cwd: this.folder }),
    )
    await tsc.ended
    return tsc.output
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A program that was started, and everything it has printed. */
export class Running {
  readonly #child: ChildProcess
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = once(child, 'close').then(([code, signal]) => code ?? signal)
  }

  get output(): string {
    return this.stdout + this.stderr
  }

  /** Returns when the program accepts connections on a port. */
  async listens(port: number): Promise<void> {
    while (this.#child.exitCode === null) {
      if (await accepts(port)) return
      await pause(20)
    }
    throw new Error(`it ended without listening on its port:\n${this.output}`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
