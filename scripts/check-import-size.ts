/**
 * What an application's bundle grows by, and what a process loads as it starts: `coatcheck` and `coatcheck/express` together,
 * minified, without dependencies.
 *
 * What is imported only when it is first asked for (`import()`, of what no request, login or logout needs) does not count: for
 * Node and for bundlers that split it is a file of its own, and a process that never asks never loads it. The size with it is
 * printed too.
 */
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

/** Bytes. */
const MOST = 60_000

const src = join(import.meta.dirname, '../src')

/** Leaves out what is not loaded at the start. */
const later: Plugin = {
  name: 'later',
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : null))
  },
}

async function sizeOf(plugins: Plugin[]): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents: "export * from './index.ts'\nexport * from './express.ts'\n", resolveDir: src, loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    packages: 'external',
    plugins,
  })
  return outputFiles.reduce((sum, { contents }) => sum + contents.byteLength, 0)
}

function kB(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`
}

const bytes = await sizeOf([later])
const all = await sizeOf([])
console.log(
  `coatcheck and coatcheck/express: ${kB(bytes)} minified, at most ${kB(MOST)}; ${kB(all)} with what is loaded when asked for`,
)
if (bytes >= MOST) process.exitCode = 1
