import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { BrowserContextOptions } from 'playwright-core'
import { measureStall } from '../support/lag.ts'
import { DemoPage } from './demo-page.ts'

export const PASSWORDS = { alice: 'umbrella', bob: 'overcoat', admin: 'cloakroom' } as const

/** Opens the account page in a new browser. */
export function openAccount(t: TestContext, url: string, options: BrowserContextOptions = {}): Promise<DemoPage> {
  return DemoPage.open(t, `${url}/account`, options, '#enter')
}

/** Fills in the form and sends it, by keyboard. */
export async function sendLogin(page: DemoPage, username: string, password: string): Promise<void> {
  await page.type('#username', username)
  await page.type('#password', password)
  await page.press('Enter')
}

/** Logs in on the account page. */
export async function logIn(page: DemoPage, username: keyof typeof PASSWORDS): Promise<void> {
  await sendLogin(page, username, PASSWORDS[username])
  await page.says('#me-title', username)
  // The devices are there, and the page is told of changes.
  await page.shows('#device-rows li')
}

/**
 * Does something in one browser and waits until another says what came of it: within about a second of its being done. How long
 * a browser takes over a form is another matter, and on a busy machine the longest part.
 */
export async function withinASecond(act: () => Promise<unknown>, told: () => Promise<unknown>): Promise<void> {
  const busy = measureStall()
  await act()
  const done = performance.now()
  await told()
  const took = performance.now() - done
  const most = 1500 + busy()
  assert.ok(took < most, `took ${took} ms, of ${most}`)
}
