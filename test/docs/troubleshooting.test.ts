import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import express, { type Request, type Response } from 'express'
import type { Page } from 'playwright-core'
import { newToken } from '../../src/core/token.ts'
import { expressSessions } from '../../src/express.ts'
import { createSessions, type SessionsOptions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { type Browser, launchBrowser } from '../support/browser.ts'
import { type Scope, serve } from '../support/http.ts'

// What docs/troubleshooting.md says that browsers do, in one. Every name leads to this machine.

interface Data {
  name: string
}

/** What an application says of a request. */
interface Seen {
  readonly id: string | null
  readonly ended: boolean
  readonly data: Partial<Data>
  /** The cookies that the browser sent. */
  readonly cookies: string
}

/** An application, by the port that it listens on. */
async function openApp(scope: Scope, cookie: SessionsOptions['cookie'] = { secure: false }): Promise<number> {
  const sessions = createSessions<Data>({ store: memoryStore(), cookie })
  const app = express()
  // What cross-origin requests need, where they ask for it.
  app.use((req, res, next) => {
    if ('cors' in req.query) {
      res.set({ 'Access-Control-Allow-Credentials': 'true', 'Access-Control-Allow-Origin': String(req.query.cors) })
    }
    next()
  })
  app.use(expressSessions(sessions))
  app.get('/page', (_req, res) => {
    res.type('html').send('<title>A page</title>')
  })
  app.get('/begin', (req, res) => {
    sessions.of(req).data.name = 'Ada'
    res.json({})
  })
  app.get('/property', (req: Request & { session?: { name?: string } }, res) => {
    if (req.session) req.session.name = 'Ada'
    res.json({})
  })
  const seen = (req: Request, res: Response) => {
    const { id, ended, data } = sessions.of(req)
    res.json({ id, ended, data, cookies: req.headers.cookie ?? '' } satisfies Seen)
  }
  app.all(['/seen', '/shop/seen'], seen)
  app.use((error: Error, _req: Request, res: Response, _next: unknown) => {
    res.status(500).json({ error: error.name })
  })
  return (await serve(scope, app)).port
}

describe('a session that does not stick', { timeout: 60_000 }, () => {
  let browser: Browser
  before(async () => {
    browser = await launchBrowser(['--host-resolver-rules=MAP *.example 127.0.0.1'])
  })
  after(() => browser?.close())

  /** A tab in which nobody has any cookie. */
  async function openPage(scope: Scope): Promise<Page> {
    const context = await browser.newContext()
    scope.after(() => context.close())
    return context.newPage()
  }

  /** Goes to a page of JSON. */
  async function go(page: Page, url: string): Promise<Seen & { error?: string }> {
    await page.goto(url)
    return JSON.parse(await page.locator('body').innerText())
  }

  /** What a script of the page that is open gets, or the name of the error. */
  function fetchFrom(page: Page, url: string, options: object = {}): Promise<Seen | string> {
    const script = `fetch(${JSON.stringify(url)}, ${JSON.stringify(options)}).then((res) => res.json(), (error) => error.name)`
    return page.evaluate(script) as Promise<Seen | string>
  }

  it('has not begun with a visit, nor with a property of req.session', async (t) => {
    const at = `http://shop.example:${await openApp(t)}`
    const page = await openPage(t)
    await go(page, `${at}/seen`)
    assert.equal((await go(page, `${at}/property`)).error, 'TypeError')
    assert.equal((await go(page, `${at}/seen`)).cookies, '')
    await go(page, `${at}/begin`)
    const { data, cookies } = await go(page, `${at}/seen`)
    assert.deepEqual(data, { name: 'Ada' })
    assert.match(cookies, /^sid=[\w-]{43}$/)
  })

  it('is in a Secure cookie, and the page came over http', async (t) => {
    const at = `http://shop.example:${await openApp(t, {})}`
    const page = await openPage(t)
    await go(page, `${at}/begin`)
    assert.equal((await go(page, `${at}/seen`)).cookies, '')
  })

  it('is of localhost, and the request went to 127.0.0.1', async (t) => {
    const port = await openApp(t)
    const page = await openPage(t)
    await go(page, `http://localhost:${port}/begin`)
    assert.equal((await go(page, `http://127.0.0.1:${port}/seen`)).id, null)
    assert.deepEqual((await go(page, `http://localhost:${port}/seen`)).data, { name: 'Ada' })
  })

  it('is asked for from another site: Lax comes only with a GET that goes there', async (t) => {
    const port = await openApp(t)
    const at = `http://shop.example:${port}`
    const elsewhere = `http://other.example:${port}`
    const page = await openPage(t)
    await go(page, `${at}/begin`)

    await page.goto(`${elsewhere}/page`)
    const asked = await fetchFrom(page, `${at}/seen?cors=${elsewhere}`, { credentials: 'include' })
    assert.equal((asked as Seen).cookies, '')

    const send = async (method: string) => {
      await page.goto(`${elsewhere}/page`)
      const form = `<form method="${method}" action="${at}/seen"></form>`
      await page.evaluate(`document.body.innerHTML = ${JSON.stringify(form)}`)
      await Promise.all([page.waitForURL(`${at}/seen*`), page.evaluate('document.forms[0].submit()')])
      return JSON.parse(await page.locator('body').innerText()) as Seen
    }
    assert.equal((await send('post')).cookies, '')
    assert.deepEqual((await send('get')).data, { name: 'Ada' })
  })

  it('is asked for from another origin of the site, without credentials or without their headers', async (t) => {
    const port = await openApp(t)
    const [api, app] = [`http://api.shop.example:${port}`, `http://app.shop.example:${port}`]
    const page = await openPage(t)
    await go(page, `${api}/begin`)
    await page.goto(`${app}/page`)
    const include = { credentials: 'include' }
    const cookies = async (path: string, options?: object) => {
      const got = await fetchFrom(page, api + path, options)
      return typeof got === 'string' ? got : got.cookies.replace(/=.*/, '')
    }
    assert.equal(await cookies(`/seen?cors=${app}`), '')
    assert.equal(await cookies('/seen', include), 'TypeError')
    assert.equal(await cookies('/seen?cors=*', include), 'TypeError')
    assert.equal(await cookies(`/seen?cors=${app}`, include), 'sid')
  })

  it('has a second cookie of its name beside it', async (t) => {
    const at = `http://shop.example:${await openApp(t)}`
    const page = await openPage(t)
    await go(page, `${at}/begin`)
    await page.goto(`${at}/page`)
    await page.evaluate(`document.cookie = 'sid=${newToken()}; path=/shop'`)
    const { id, ended, cookies } = await go(page, `${at}/shop/seen`)
    assert.match(cookies, /^sid=[\w-]{43}; sid=[\w-]{43}$/)
    assert.deepEqual([id, ended], [null, false])
    assert.deepEqual((await go(page, `${at}/seen`)).data, { name: 'Ada' })
  })
})
