/** What an application's bundle grows by: `coatcheck` and `coatcheck/express` together, minified, without dependencies. */
import { join } from 'node:path'
import { build } from 'esbuild'

/** Bytes. The aim is 60,000; until that is reached, it grows no further. */
const MOST = 70_000

const src = join(import.meta.dirname, '../src')
const { outputFiles } = await build({
  stdin: { contents: "export * from './index.ts'\nexport * from './express.ts'\n", resolveDir: src, loader: 'ts' },
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  packages: 'external',
})
const bytes = outputFiles.reduce((sum, { contents }) => sum + contents.byteLength, 0)
console.log(`coatcheck and coatcheck/express: ${(bytes / 1000).toFixed(1)} kB minified, at most ${MOST / 1000} kB`)
if (bytes >= MOST) process.exitCode = 1
