import { readFileSync } from 'node:fs'
import type { Request, RequestHandler } from 'express'
import { safeReturnTo } from '../src/express.ts'
import type { Instance } from './app.ts'
import { LONGEST_NAME } from './input.ts'
import { DEFAULT_TTL } from './routes.ts'

/** The pages, by the names of their files. */
export type PageName = 'index' | 'account' | 'admin' | 'forbidden'

/** What the header leads to. */
const PAGES = [
  { name: 'index', path: '/', title: 'Session' },
  { name: 'account', path: '/account', title: 'Account' },
  { name: 'admin', path: '/admin', title: 'Admin' },
] as const

const HEADER = template('header')

/** A page, with what it says about this server filled in. */
export function page(instance: Instance, name: PageName): RequestHandler {
  const text = template(name).replace('{{header}}', HEADER)
  return (req, res) => {
    const values: Record<string, string> = {
      store: escapeHtml(instance.storeName),
      lifetime: String(instance.lifetime),
      default_ttl: String(DEFAULT_TTL),
      longest_name: String(LONGEST_NAME),
      return_to: escapeHtml(safeReturnTo(req.query['return-to'], '')),
      pages: pages(name),
      instances: instances(instance, req),
    }
    res.type('html').send(text.replace(/\{\{(\w+)\}\}/g, (_, key: string) => values[key] ?? ''))
  }
}

function template(name: string): string {
  return readFileSync(new URL(`./pages/${name}.html`, import.meta.url), 'utf8')
}

function pages(here: PageName): string {
  const items = PAGES.map(({ name, path, title }) => {
    const current = name === here ? ' aria-current="page"' : ''
    return `<li><a class="page" href="${path}"${current}>${title}</a></li>`
  })
  return `<nav class="pages" aria-label="Pages"><ul>${items.join('')}</ul></nav>`
}

/** Which instance served the page, and the way to the others. The host stays the same: cookies know hosts, not ports. */
function instances({ number, ports }: Instance, { hostname, protocol, path, baseUrl }: Request): string {
  if (ports.length === 1) return ''
  const here = escapeHtml(baseUrl || path)
  const items = ports.map((port, i) => {
    const url = `${escapeHtml(`${protocol}://${hostname}:${port}`)}${here}`
    const name = `<span class="sr">Instance ${i + 1}, port </span>${port}`
    return i + 1 === number
      ? `<li><span class="here" aria-current="page">${name}</span></li>`
      : `<li><a href="${url}">${name}</a></li>`
  })
  return (
    `<nav class="instances" aria-label="Instances"><p>Served by instance ${number} of ${ports.length}</p>` +
    `<ul>${items.join('')}</ul></nav>`
  )
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
