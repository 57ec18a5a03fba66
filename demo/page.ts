import { readFileSync } from 'node:fs'
import type { RequestHandler } from 'express'
import type { Instance } from './app.ts'
import { LONGEST_NAME } from './input.ts'
import { DEFAULT_TTL } from './routes.ts'

const TEMPLATE = readFileSync(new URL('./public/index.html', import.meta.url), 'utf8')

/** `GET /`: the page, with what it says about this server filled in. */
export function page(instance: Instance): RequestHandler {
  return (req, res) => {
    const values: Record<string, string> = {
      store: escapeHtml(instance.storeName),
      lifetime: String(instance.lifetime),
      default_ttl: String(DEFAULT_TTL),
      longest_name: String(LONGEST_NAME),
      instances: instances(instance, req.hostname, req.protocol),
    }
    res.type('html').send(TEMPLATE.replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? ''))
  }
}

/** Which instance served the page, and the way to the others. The host stays the same: cookies know hosts, not ports. */
function instances({ number, ports }: Instance, host: string, protocol: string): string {
  if (ports.length === 1) return ''
  const items = ports.map((port, i) => {
    const url = escapeHtml(`${protocol}://${host}:${port}/`)
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
