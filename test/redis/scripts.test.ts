import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { RESERVED_FIELDS } from '../../src/core/fields.ts'
import { scripts } from '../../src/redis/scripts.ts'

const lua = new URL('../../lua/', import.meta.url)
const files = readdirSync(lua).filter((file) => file.endsWith('.lua'))
const read = (file: string) => readFileSync(new URL(file, lua), 'utf8')

describe('the scripts', () => {
  it('in src/redis/scripts.ts are those in lua/', async () => {
    const generator = new URL('../../scripts/generate-scripts.ts', import.meta.url).pathname
    await promisify(execFile)(process.execPath, [generator, '--check'])
    assert.deepEqual(
      Object.keys(scripts).map((name) => `${name}.lua`),
      files.filter((file) => file !== 'prelude.lua'),
    )
  })

  it('are called by the SHA-1 of what is sent', () => {
    for (const { sha1, source } of Object.values(scripts)) {
      assert.equal(sha1, createHash('sha1').update(source).digest('hex'))
    }
  })

  it('know the same reserved fields as the rest', () => {
    const [, table = ''] = /local RESERVED = \{([^}]*)\}/.exec(read('commit.lua')) ?? []
    const names = [...table.matchAll(/(\w+) = true/g)].map(([, name]) => name)
    assert.deepEqual(names, [...RESERVED_FIELDS])
  })

  it('say at their head what they take and return', () => {
    for (const file of files) {
      const text = read(file)
      assert.match(text, /^-- \S/, file)
      if (file === 'prelude.lua') continue
      for (const head of ['-- KEYS ', '-- ARGV ', '-- Returns '])
        assert.ok(text.includes(`\n${head}`), `${file}: ${head}`)
    }
  })

  it('have guards that each stand alone on a line, so that one can be left out', () => {
    const guards = files.flatMap((file) =>
      read(file)
        .split('\n')
        .filter((line) => line.includes('-- guard')),
    )
    assert.ok(guards.length > 10)
    for (const line of guards) {
      assert.match(line, /^\s*\S.* -- guard: \w[\w ]*$/)
      const opened = line.match(/\b(if|for|function)\b/g)?.length ?? 0
      assert.equal(line.match(/\bend\b/g)?.length ?? 0, opened, line)
    }
  })
})
