/** How many slots a Redis Cluster has. */
const SLOTS = 16_384

/** By tag: a store has 256. */
const known = new Map<string, number>()

/** The slot of a key of coatcheck's: that of the tag between its braces, of which there are no others in it before. */
export function slotOf(key: string): number {
  const start = key.indexOf('{') + 1
  const tag = key.slice(start, key.indexOf('}', start))
  let slot = known.get(tag)
  if (slot === undefined) {
    slot = crc16(tag) % SLOTS
    known.set(tag, slot)
  }
  return slot
}

/** The key that decides which server a command goes to: all others of the command are in the same slot. */
export function keyIn([name, first, , third]: readonly string[]): string {
  return (name === 'EVALSHA' || name === 'EVAL' ? third : first) as string
}

/** As Redis Cluster has it (XMODEM): polynomial 0x1021, most significant bit first. */
function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}
