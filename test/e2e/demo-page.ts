import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { type Browser, launchBrowser } from '../support/browser.ts'

/** One for all tests of a file. */
let browser: Promise<Browser> | undefined
after(async () => (await browser)?.close())

/** A page of the demo in a browser of its own, worked with the keyboard alone. */
export class DemoPage {
  readonly page: Page
  /** What the page did against its Content-Security-Policy, and what it failed at. */
  readonly #wrongs: string[] = []

  private constructor(page: Page) {
    this.page = page
    page.on('console', (message) => {
      const text = message.text()
      // A refused request is what the page is there to show.
      if (message.type() === 'error' && !/the server responded with a status of (?:400|401|403|404|503)/.test(text)) {
        this.#wrongs.push(text)
      }
    })
    page.on('pageerror', (error) => this.#wrongs.push(String(error)))
  }

  /**
   * Opens a page as in a new browser, which ends with the test.
   * @param first what is on the page when it is ready
   */
  static async open(
    t: TestContext,
    url: string,
    options: BrowserContextOptions = {},
    first = '#begin',
  ): Promise<DemoPage> {
    browser ??= launchBrowser()
    const context = await (await browser).newContext({ viewport: { width: 1200, height: 900 }, ...options })
    t.after(() => context.close())
    context.setDefaultTimeout(10_000)
    const page = await context.newPage()
    const demo = new DemoPage(page)
    await page.exposeFunction('wrong', (what: string) => demo.#wrongs.push(what))
    await page.addInitScript(
      "addEventListener('securitypolicyviolation', ({ violatedDirective }) => wrong('violates ' + violatedDirective))",
    )
    await page.goto(url)
    await demo.shows(first)
    return demo
  }

  /** To be called last: nothing has gone wrong on the page, and no token is in it. */
  async isInOrder(): Promise<void> {
    const tokens = (await this.page.context().cookies()).map(({ value }) => value)
    const html = await this.page.content()
    assert.deepEqual(this.#wrongs, [])
    for (const token of tokens) assert.ok(!html.includes(token), 'the page shows a token')
  }

  /** Waits until an element is visible. */
  shows(selector: string): Promise<unknown> {
    return this.page.waitForSelector(selector, { state: 'visible' })
  }

  /** Waits until an element says this. */
  async says(selector: string, text: string | RegExp): Promise<void> {
    const locator = this.page.locator(selector).filter({ hasText: text, visible: true })
    try {
      await locator.waitFor({ state: selector === '#status' ? 'attached' : 'visible' })
    } catch {
      assert.fail(`${selector} says '${await this.text(selector)}', not ${text}`)
    }
  }

  async text(selector: string): Promise<string> {
    return ((await this.page.locator(selector).textContent()) ?? '').replace(/\s+/g, ' ').trim()
  }

  /** The value of a field of the session hash, as the page shows it. */
  field(name: string): Promise<string> {
    return this.text(`#fields tr[data-field="${name}"] code.value`)
  }

  /** Presses Tab until an element has the focus, which must be there to see at every stop. */
  async tabTo(selector: string): Promise<void> {
    for (let i = 0; i < 30; i++) {
      await this.page.keyboard.press('Tab')
      const [here, outline, what] = (await this.page.evaluate(`(() => {
        const element = document.activeElement
        const { outlineStyle, outlineWidth } = getComputedStyle(element)
        return [element.matches(${JSON.stringify(selector)}), outlineStyle + ' ' + outlineWidth, element.outerHTML]
      })()`)) as [boolean, string, string]
      if (!what.startsWith('<body')) assert.equal(outline, 'solid 3px', `no visible focus on ${what}`)
      if (here) return
    }
    assert.fail(`Tab does not lead to ${selector}`)
  }

  /** Goes to an input by Tab and replaces what is in it. */
  async type(selector: string, text: string): Promise<void> {
    await this.tabTo(selector)
    await this.page.keyboard.press('ControlOrMeta+A')
    await this.page.keyboard.press('Delete')
    await this.page.keyboard.type(text)
  }

  press(key: string): Promise<void> {
    return this.page.keyboard.press(key)
  }

  /** Starts a session from the form, by keyboard. */
  async start(username: string, ttl: string): Promise<void> {
    await this.type('#username', username)
    await this.type('#login-ttl', ttl)
    await this.press('Enter')
    await this.shows('#live')
  }

  async fitsTheWidth(): Promise<void> {
    const [content, window] = (await this.page.evaluate(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    )) as [number, number]
    assert.ok(content <= window, `${content} px of content in ${window} px`)
  }

  /** Every text on the page stands out from its background by at least 4.5 to 1 (WCAG 2.2 AA). */
  async isReadable(): Promise<void> {
    assert.deepEqual(await this.page.evaluate(WEAK_TEXTS), [])
  }

  /** Keeps a picture of the page if SCREENSHOTS names a folder. */
  async picture(name: string): Promise<void> {
    const folder = process.env.SCREENSHOTS
    if (!folder) return
    await mkdir(folder, { recursive: true })
    await this.page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
  }
}

const WEAK_TEXTS = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const paint = (colors) => {
    canvas.clearRect(0, 0, 1, 1)
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1) }
    return canvas.getImageData(0, 0, 1, 1).data
  }
  const luminance = ([r, g, b]) => {
    const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
  }
  const weak = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    if (!own || !element.checkVisibility() || element.closest('.sr, noscript')) continue
    const backgrounds = []
    for (let at = element; at; at = at.parentElement) backgrounds.unshift(getComputedStyle(at).backgroundColor)
    const back = luminance(paint(backgrounds))
    const front = luminance(paint([...backgrounds, getComputedStyle(element).color]))
    const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05)
    if (ratio < 4.5) weak.push(ratio.toFixed(2) + ' ' + element.textContent.trim())
  }
  return weak
})()`
