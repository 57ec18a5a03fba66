import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ROOT, readPage, tableRows } from './pages.ts'

const PAGE = readPage('docs/comparison.md')

const versionIn = (folder: string): string =>
  JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')).version

describe('docs/comparison.md', () => {
  test('names the versions that its measurements run', () => {
    for (const name of ['express-session', 'connect-redis', '@fastify/session']) {
      const named = PAGE.match(new RegExp(`(?<![\\w/@-])${name} \\d+\\.\\d+\\.\\d+`, 'g')) ?? []
      assert.ok(named.length > 0, name)
      assert.deepEqual([...new Set(named)], [`${name} ${versionIn(`node_modules/${name}`)}`])
    }
    assert.ok(PAGE.includes(`coatcheck ${versionIn('.')} `))
  })

  test('has a note for every number, and a number for every note', () => {
    const notes = [...PAGE.matchAll(/^\[\^(\d+)\]: /gm)].map(([, number]) => Number(number))
    const numbers = [...PAGE.matchAll(/\[\^(\d+)\](?!:)/g)].map(([, number]) => Number(number))
    assert.deepEqual(
      notes,
      notes.map((_, i) => i + 1),
    )
    assert.deepEqual(
      [...new Set(numbers)].sort((a, b) => a - b),
      notes,
    )
  })

  test('says something of every library in every row', () => {
    for (const [heading, columns] of [
      ['Sessions kept on a server', 8],
      ['Sessions kept in the cookie', 4],
    ] as const) {
      const rows = tableRows(PAGE, heading)
      assert.ok(rows.length > 5)
      for (const cells of rows) assert.deepEqual([cells.length, cells.includes('')], [columns, false], cells[0])
    }
  })
})
