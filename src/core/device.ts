import { parse } from 'bowser'

/** A value above 64 bytes would make Redis keep the whole session hash in its larger form (docs/decisions/003-data-model.md). */
const MOST_BYTES = 64

/** No browser's header is longer, and what parses it looks for hundreds of patterns. */
const LONGEST_HEADER = 512

/** A label may come from anywhere, so no more of it than this is looked at. */
const LONGEST_LABEL = 1024

/**
 * A few words by which people recognise their device, from the `User-Agent` header: `Chrome on macOS`. The header says what
 * its sender likes, so this is for display, never for a decision.
 * @returns at most 64 bytes of UTF-8, or `null` when the header is missing or tells neither browser nor system
 */
export function deviceLabel(userAgent: string | undefined): string | null {
  const header = userAgent?.slice(0, LONGEST_HEADER)
  // The parser throws on an empty string.
  if (!header) return null
  const { browser, os } = parse(header)
  // 'Android Browser' needs no 'on Android'.
  const words = [browser.name, os.name].filter(Boolean)
  return clipLabel(browser.name?.includes(os.name ?? '') ? browser.name : words.join(' on ')) || null
}

/**
 * Makes an application's own label fit: well-formed, on one line, without blanks around it, at most 64 bytes of UTF-8, cut
 * between characters.
 */
export function clipLabel(label: string): string {
  const line = label
    .slice(0, LONGEST_LABEL)
    .toWellFormed()
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  // Stops before the character that would not fit.
  const { read } = new TextEncoder().encodeInto(line, new Uint8Array(MOST_BYTES))
  return line.slice(0, read).trimEnd()
}
