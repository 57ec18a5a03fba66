import { type Browser, chromium } from 'playwright-core'
import { findChromium } from '../../scripts/programs.mjs'

export type { Browser }

/** Chromium. Each context of it is as a browser of its own, with no cookies, and costs far less than to start one. */
export function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('No Chromium: see CONTRIBUTING.md')
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox', // Chromium refuses its sandbox to root, which is what containers and CI run as.
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
}
