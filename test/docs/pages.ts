import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

// The documents, and what the tests take from them: code blocks, links, tables.

/** The repository's folder. */
export const ROOT = join(import.meta.dirname, '../..')

/** Every document, by its path in the repository. */
export function allPages(): string[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'))
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  return [
    ...top,
    'examples/README.md',
    ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ].sort()
}

export function readPage(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

export interface CodeBlock {
  /** What stands after the opening fence: the language. */
  readonly language: string
  readonly code: string
  /** The headings above the block, the nearest last. */
  readonly heading: string
}

export function codeBlocks(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let heading = ''
  let open: { language: string; lines: string[] } | null = null
  for (const line of page.split('\n')) {
    if (open !== null) {
      if (line === '```') {
        blocks.push({ language: open.language, code: `${open.lines.join('\n')}\n`, heading })
        open = null
      } else {
        open.lines.push(line)
      }
    } else if (line.startsWith('```')) {
      open = { language: line.slice(3), lines: [] }
    } else if (line.startsWith('#')) {
      heading = line.replace(/^#+ /, '')
    }
  }
  if (open !== null) throw new Error(`a code block without an end under '${heading}'`)
  return blocks
}

/** The one block of a language under a heading. */
export function block(path: string, language: string, heading?: string): string {
  const found = codeBlocks(readPage(path)).filter(
    (each) => each.language === language && (heading === undefined || each.heading === heading),
  )
  if (found.length !== 1) {
    throw new Error(
      `${path} has ${found.length} blocks of ${language}${heading === undefined ? '' : ` under '${heading}'`}`,
    )
  }
  return found[0]!.code
}

/**
 * The TypeScript of a page. Its blocks, one after the other, are one program: a page is read from top to bottom, and so it
 * runs.
 */
export function program(path: string): string {
  return codeBlocks(readPage(path))
    .filter(({ language }) => language === 'ts')
    .map(({ code }) => code)
    .join('\n')
}

/** The text without its code. */
function prose(page: string): string {
  return page.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '')
}

/** Link and image targets. */
export function links(page: string): string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)|<img src="([^"]+)"/g)].map((match) => match[1] ?? match[2]!)
}

/** The anchors of a page: those that its headings make on GitHub (a second of the same name gets a number), and explicit ones. */
export function anchors(page: string): string[] {
  const explicit = [...page.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1] ?? '')
  const headings = page.replaceAll(/^```.*?^```$/gms, '').match(/^#+ .*$/gm) ?? []
  const seen = new Map<string, number>()
  const made = headings.map((heading) => {
    const slug = heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
    const before = seen.get(slug) ?? 0
    seen.set(slug, before + 1)
    return before === 0 ? slug : `${slug}-${before}`
  })
  return [...explicit, ...made]
}

/** The rows of the tables under a heading, without the head: cells as they are written, outer blanks removed. */
export function tableRows(page: string, heading: string): string[][] {
  const from = page.search(new RegExp(`^#+ ${heading}$`, 'm'))
  if (from === -1) throw new Error(`no heading '${heading}'`)
  const section = page.slice(from).replace(/^#+ .*\n/, '')
  const end = section.search(/^#+ /m)
  const lines = (end === -1 ? section : section.slice(0, end)).split('\n')
  const rows: string[][] = []
  lines.forEach((line, i) => {
    const isHead = /^\|[-|: ]+\|$/.test(lines[i + 1] ?? '')
    if (!line.startsWith('|') || isHead || /^\|[-|: ]+\|$/.test(line)) return
    rows.push(
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    )
  })
  return rows
}
