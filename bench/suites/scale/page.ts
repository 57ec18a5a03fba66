/**
 * A page with its tables in their places, between `<!-- name -->` and `<!-- /name -->`.
 * @throws Error if a place is not there, or one has no table
 */
export function withTables(page: string, tables: Readonly<Record<string, string>>): string {
  const places = [...page.matchAll(/^<!-- (\w+) -->$/gm)].map(([, name]) => name as string)
  const missing = Object.keys(tables).filter((name) => !places.includes(name))
  if (missing.length > 0) throw new Error(`The page has no place for ${missing.join(', ')}`)
  return page.replaceAll(/^<!-- (\w+) -->\n[\s\S]*?^<!-- \/\1 -->$/gm, (_, name: string) => {
    const table = tables[name]
    if (table === undefined) throw new Error(`There is no table ${name}`)
    return `<!-- ${name} -->\n\n${table}\n\n<!-- /${name} -->`
  })
}
