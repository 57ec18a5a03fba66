import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, test } from 'node:test'
import { allPages, anchors, links, ROOT, readPage } from './pages.ts'

describe('links in the documents', () => {
  for (const path of allPages()) {
    test(`${path}: every relative link leads to a file, and to a heading of it`, () => {
      for (const link of links(readPage(path))) {
        if (/^[a-z]+:/.test(link)) continue
        const [file = '', anchor] = link.split('#')
        const target = file === '' ? path : normalize(join(dirname(path), file))
        assert.ok(!target.startsWith('..'), `${link} leads out of the repository`)
        assert.ok(existsSync(join(ROOT, target)), `${link} leads nowhere`)
        if (anchor !== undefined && target.endsWith('.md')) {
          assert.ok(anchors(readPage(target)).includes(anchor), `${link}: ${target} has no such heading`)
        }
      }
    })
  }

  test('every page in docs/ can be reached from the README', () => {
    const reached = new Set<string>()
    const visit = (path: string) => {
      if (reached.has(path)) return
      reached.add(path)
      for (const link of links(readPage(path))) {
        const file = link.split('#')[0] ?? ''
        if (file === '' || /^[a-z]+:/.test(link)) continue
        const target = normalize(join(dirname(path), file))
        if (target.endsWith('.md')) visit(target)
        // A link to a folder leads to everything in it.
        if (target.endsWith('/')) for (const page of allPages()) if (page.startsWith(target)) visit(page)
      }
    }
    visit('README.md')
    assert.deepEqual(
      allPages().filter((path) => path.startsWith('docs/') && !reached.has(path)),
      [],
    )
  })
})
