/** A reply of more bytes is decoded piece by piece: what is cut out of a text keeps the whole of it in memory. */
const LONGEST = 4096
/** So many names are kept: a hash may have thousands of fields. */
const MOST_NAMES = 64
/** Field names by their place in the hash read last. Most sessions have the same, which need not be made anew. */
const names: string[] = []

/**
 * Reads a hash that came as bytes: names and values in turn, each a view of what was received. Received in one piece and all
 * ASCII, as nearly every session is, it is decoded at once and cut up. One by one took a third of the time that reading a session
 * takes this process (docs/decisions/022-a-hash-comes-as-bytes.md).
 */
export function readHash(reply: readonly Buffer[]): Map<string, string> {
  const fields = new Map<string, string>()
  const start = reply[0]?.byteOffset ?? 0
  const text = textOf(reply)
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const name = reply[i] as Buffer
    const value = reply[i + 1] as Buffer
    if (text === null) {
      fields.set(name.toString(), value.toString())
      continue
    }
    const at = value.byteOffset - start
    fields.set(nameIn(text, name.byteOffset - start, name.length, i), text.slice(at, at + value.length))
  }
  return fields
}

/** All that was received from the first name to the last value, if each byte of it is a character. */
function textOf(reply: readonly Buffer[]): string | null {
  const [first] = reply
  const last = reply.at(-1)
  if (first === undefined || last === undefined) return null
  const { buffer, byteOffset } = first
  const length = last.byteOffset + last.length - byteOffset
  if (length > LONGEST) return null
  let end = byteOffset
  for (const bytes of reply) {
    if (bytes.buffer !== buffer || bytes.byteOffset < end) return null // guard: one piece
    end = bytes.byteOffset + bytes.length
  }
  const text = Buffer.from(buffer, byteOffset, length).toString()
  return text.length === length ? text : null // guard: all ASCII
}

function nameIn(text: string, at: number, length: number, place: number): string {
  const known = names[place]
  if (known?.length === length && text.startsWith(known, at)) return known
  // As the name of a property it is a text of its own, and found sooner in maps.
  const [name] = Object.keys({ [text.slice(at, at + length)]: 0 }) as [string]
  if (place < MOST_NAMES * 2) names[place] = name
  return name
}
