/**
 * Writes src/redis/scripts.ts from lua/: the scripts as strings, so that a bundled application needs no files beside it.
 * With `--check` it only compares, and exits 1 when the module is stale.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const lua = new URL('../lua/', import.meta.url)
const target = new URL('../src/redis/scripts.ts', import.meta.url)

const read = (file: string) => readFileSync(new URL(file, lua), 'utf8')
/** Without comments and indentation: they cost every EVAL and say nothing to Redis. */
const strip = (text: string) =>
  text
    .split('\n')
    .map((line) => line.replace(/(^|\s)--.*$/, '').trim())
    .filter((line) => line !== '')
    .join('\n')

/** A function or a value of the prelude, with what it is called by: each begins at the left edge. */
interface Part {
  readonly name: string
  readonly text: string
}

const parts: Part[] = read('prelude.lua')
  .split(/^(?=local )/m)
  .filter((part) => part.startsWith('local '))
  .map((part) => ({ name: /^local (?:function )?(\w+)/.exec(part)?.[1] ?? '', text: strip(part) }))

/** What of the prelude a script needs, in order: what is not called costs a little with each run all the same. */
function preludeOf(script: string): string {
  const mentions = (text: string, name: string) => new RegExp(`\\b${name}\\b`).test(text)
  let needed = ''
  for (const { name, text } of parts.toReversed()) {
    if (mentions(script, name) || mentions(needed, name)) needed = `${text}\n${needed}`
  }
  return needed
}

const names = readdirSync(lua)
  .filter((file) => file.endsWith('.lua') && file !== 'prelude.lua')
  .map((file) => file.slice(0, -'.lua'.length))
  .sort()

const entries = names.map((name) => {
  const script = strip(read(`${name}.lua`))
  const source = `${preludeOf(script)}${script}\n`
  const sha1 = createHash('sha1').update(source).digest('hex')
  return `  ${name}: {\n    sha1: '${sha1}',\n    source: ${JSON.stringify(source)},\n  },`
})

const text = `// Generated from lua/ by \`npm run generate\`. Read the scripts there; change them there.

/** One Lua script: its source, and the SHA-1 by which EVALSHA calls it. */
export interface Script {
  readonly sha1: string
  readonly source: string
}

/** Every script by the name of its file in lua/. */
export const scripts: { readonly [Name in ${names.map((name) => `'${name}'`).join(' | ')}]: Script } = {
${entries.join('\n')}
}

/** The name of a script. */
export type ScriptName = keyof typeof scripts
`

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('src/redis/scripts.ts is stale: run `npm run generate`.')
    process.exit(1)
  }
} else {
  writeFileSync(target, text)
}
