import { parse } from 'bowser'
import { LONGEST_LABEL, LONGEST_LABEL_GIVEN, LONGEST_USER_AGENT } from './bounds.ts'

/**
 * A few words by which people recognise their device, from the `User-Agent` header: `Chrome on macOS`. The header says what
 * its sender likes, so this is for display, never for a decision.
 * @returns at most 64 bytes of UTF-8, or `null` when the header is missing or tells neither browser nor system
 */
export function deviceLabel(userAgent: string | undefined): string | null {
  const header = userAgent?.slice(0, LONGEST_USER_AGENT)
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
    .slice(0, LONGEST_LABEL_GIVEN)
    .toWellFormed()
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  // Stops before the character that would not fit.
  const { read } = new TextEncoder().encodeInto(line, new Uint8Array(LONGEST_LABEL))
  return line.slice(0, read).trimEnd()
}
