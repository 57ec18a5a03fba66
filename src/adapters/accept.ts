/** One entry of an `Accept` header. */
interface Range {
  readonly type: string
  readonly quality: number
  readonly place: number
}

/** Whether an `Accept` header asks for HTML rather than JSON: by quality, then by which of them is named first. */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  const ranges = accept.split(',').map(readRange)
  const html = bestOf(ranges, 'text/html')
  const json = bestOf(ranges, 'application/json')
  if (html === undefined || html.quality === 0) return false
  if (json === undefined || json.quality === 0) return true
  return html.quality > json.quality || (html.quality === json.quality && html.place < json.place)
}

function readRange(text: string, place: number): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))
  const value = quality === undefined ? 1 : Number(quality.slice(2))
  return { type, quality: Number.isNaN(value) ? 0 : value, place }
}

/** The entry that says most of a type: itself, then `text/*`, then everything. */
function bestOf(ranges: readonly Range[], type: string): Range | undefined {
  const family = `${type.split('/')[0]}/*`
  for (const pattern of [type, family, '*/*']) {
    const found = ranges.find((range) => range.type === pattern)
    if (found !== undefined) return found
  }
  return undefined
}
