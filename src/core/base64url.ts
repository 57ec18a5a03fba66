const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** By character code. */
const VALUES: readonly number[] = Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)))

// Asked with each request: buffers made for it would cost more than the hash that they hold.

/** One of the bytes that base64url holds. */
export function byteAt(text: string, byte: number): number {
  const char = Math.floor((byte * 8) / 6)
  const skipped = (byte * 8) % 6
  const bits = (sixBits(text, char) << 6) | sixBits(text, char + 1)
  return (bits >> (4 - skipped)) & 255
}

/** The first 16 bytes of bytes in base64url, in base64url. */
export function first16(text: string): string {
  // 22 characters carry 132 bits, the last four of which are of the 17th byte.
  return text.slice(0, 21) + ALPHABET[sixBits(text, 21) & 0b110000]
}

function sixBits(text: string, at: number): number {
  return VALUES[text.charCodeAt(at)] as number
}
