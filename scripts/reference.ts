/**
 * Writes docs/reference from the doc comments, with typedoc. With `--check` it only compares, and exits 1 when a page is stale.
 */
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const project = join(import.meta.dirname, 'reference')
const reference = join(import.meta.dirname, '../docs/reference')

if (process.argv.includes('--check')) {
  const fresh = mkdtempSync(join(tmpdir(), 'coatcheck-reference-'))
  try {
    generate(fresh)
    if (pagesOf(fresh) !== pagesOf(reference)) {
      console.error('docs/reference is stale: run `npm run reference`.')
      process.exitCode = 1
    }
  } finally {
    rmSync(fresh, { recursive: true })
  }
} else {
  generate(reference)
}

function generate(out: string): void {
  const typedoc = join(project, 'node_modules/typedoc/bin/typedoc')
  const args = [typedoc, '--options', join(project, 'typedoc.json'), '--out', out, '--logLevel', 'Error']
  const { status } = spawnSync(process.execPath, args, { cwd: project, stdio: 'inherit' })
  if (status !== 0) throw new Error('typedoc failed')
}

/** Every page and its text, as one. */
function pagesOf(folder: string): string {
  const pages = globSync('**/*.md', { cwd: folder }).sort()
  return pages.map((page) => `${page}\n${readFileSync(join(folder, page), 'utf8')}`).join('\n')
}
