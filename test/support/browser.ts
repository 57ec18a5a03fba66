import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'
import { findChromium } from '../../scripts/programs.mjs'

export type BrowserOptions = Parameters<typeof chromium.launchPersistentContext>[1]

export interface Browser {
  readonly context: BrowserContext
  /** Ends the browser and removes its profile. */
  close(): Promise<void>
}

/** Chromium with an empty profile of its own. `args` come on top of those that it needs. */
export async function launchBrowser({ args = [], ...options }: BrowserOptions = {}): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('No Chromium: see CONTRIBUTING.md')
  const profile = await mkdtemp(join(tmpdir(), 'coatcheck-browser-'))
  const remove = () => rm(profile, { recursive: true, force: true, maxRetries: 5 })
  try {
    const context = await chromium.launchPersistentContext(profile, {
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
      ...options,
    })
    return {
      context,
      async close() {
        await context.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}
