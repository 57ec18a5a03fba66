/** How many slots a Redis Cluster has. */
const SLOTS = 16_384

/** By tag: our keys have 256 of them. */
const known = new Map<string, number>()

/** The slot of a key: that of what is between its first brace and the next one that closes, if that is anything. */
export function slotOf(key: string): number {
  const start = key.indexOf('{') + 1
  const end = start === 0 ? -1 : key.indexOf('}', start)
  // A key of connect-redis, which has no tag.
  if (end <= start) return crc16(key) % SLOTS
  const tag = key.slice(start, end)
  if (tag.length !== 2) return crc16(tag) % SLOTS
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
