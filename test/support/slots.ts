/** How many slots a Redis Cluster has. */
export const SLOTS = 16_384

/** The slot of a hash tag: CRC16 as Redis Cluster has it (XMODEM): polynomial 0x1021, most significant bit first. */
export function slotOf(tag: string): number {
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc % SLOTS
}
