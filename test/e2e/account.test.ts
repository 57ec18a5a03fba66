import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type DemoProcess, startDemo } from '../demo/demo-process.ts'
import { type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { logIn, openAccount, PASSWORDS, sendLogin, withinASecond } from './account-page.ts'
import { DemoPage } from './demo-page.ts'

const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
const LAPTOP = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'

describe('the account pages in a browser', { timeout: 180_000 }, () => {
  let redis: RedisServer
  let client: RedisClient
  let demo: DemoProcess
  let url: string
  let other: string

  before(async () => {
    redis = await startRedis()
    client = await redis.connect()
    demo = await startDemo(['--redis-url', redis.url, '--port', '0', '--instances', '2'])
    ;[url, other] = demo.urls as [string, string]
  })
  // Nobody is logged in but whom the test logs in.
  beforeEach(() => client.flushAll())
  after(async () => {
    client.destroy()
    await demo.stop()
    await redis.stop()
  })

  it('one browser revokes another of the same user, which says so within a second, all by keyboard', async (t) => {
    const [laptop, phone] = await Promise.all([
      openAccount(t, url, { userAgent: LAPTOP }),
      openAccount(t, other, { userAgent: PHONE, viewport: { width: 390, height: 800 } }),
    ])
    await laptop.picture('account-start-light')
    await logIn(laptop, 'alice')
    await laptop.says('#role', 'member')
    await laptop.says('#status', 'Logged in as alice.')
    await laptop.says('#device-count', '1 device')
    await laptop.says('#device-rows li', /Firefox on Windows this browser/)
    assert.equal(await laptop.page.locator('#device-rows button').count(), 0)
    assert.equal(await laptop.page.evaluate('document.activeElement.id'), 'me-title')

    await withinASecond(
      () => logIn(phone, 'alice'),
      () => laptop.says('#device-count', '2 devices'),
    )
    await laptop.says('#device-rows li:nth-child(1)', /Safari on iOS.*127\.0\.0\.0/)
    await laptop.picture('account-light')
    await phone.says('#device-rows li', /Firefox on Windows/)
    await phone.picture('account-phone-light')

    await laptop.tabTo('#device-rows button')
    await withinASecond(
      () => laptop.press('Enter'),
      () => phone.says('#enter-title', 'Session ended'),
    )
    await phone.says('#enter-why', 'It was revoked: from another device of yours, or by an administrator.')
    await phone.says('#status', 'Session ended.')
    assert.equal(await phone.page.locator('#devices').isVisible(), false)
    await phone.picture('account-ended-phone-light')
    await laptop.says('#device-count', '1 device')
    await laptop.says('#status', 'Safari on iOS logged out.')
    // The button is gone with its row: the reader goes on at the heading of the list.
    assert.equal(await laptop.page.evaluate('document.activeElement.id'), 'devices-title')
    await phone.page.reload()
    await phone.says('#enter-title', 'Log in')
    await logIn(phone, 'alice')
    await Promise.all([laptop.isInOrder(), phone.isInOrder()])
  })

  it('logs out the other devices, and everywhere', async (t) => {
    const pages = await Promise.all([url, other, url].map((each) => openAccount(t, each)))
    const [one, two, three] = pages as [DemoPage, DemoPage, DemoPage]
    for (const page of pages) await logIn(page, 'bob')
    await one.says('#device-count', '3 devices')
    await one.tabTo('#logout-others')
    await withinASecond(
      () => one.press('Enter'),
      () => Promise.all([two, three].map((page) => page.says('#enter-why', 'You logged out your other devices'))),
    )
    await one.says('#status', '2 devices logged out.')
    await one.says('#device-count', '1 device')

    await logIn(two, 'bob')
    await one.says('#device-count', '2 devices')
    await one.tabTo('#logout-everywhere')
    await withinASecond(
      () => one.press('Enter'),
      () => two.says('#enter-why', 'You were logged out everywhere.'),
    )
    await one.says('#enter-title', 'Logged out everywhere')
    assert.equal(await one.page.evaluate('document.activeElement.id'), 'enter-title')
    assert.deepEqual(await one.page.context().cookies(), [])
    for (const page of pages) await page.isInOrder()
  })

  it('logs out in every tab, and says so in each', async (t) => {
    const page = await openAccount(t, url)
    await logIn(page, 'alice')
    const tab = await page.page.context().newPage()
    await tab.goto(`${url}/account`)
    await tab.waitForSelector('#device-rows li')
    await withinASecond(
      () => tab.click('#logout'),
      () => page.says('#enter-why', 'You logged out in another tab of this browser.'),
    )
    await tab.waitForSelector('#enter-title:has-text("Logged out")')
    await page.isInOrder()
  })

  it('says the same of a wrong password and of a name that nobody has', async (t) => {
    const page = await openAccount(t, url)
    for (const [username, password] of [
      ['alice', 'overcoat'],
      ['mallory', 'umbrella'],
    ] as const) {
      await sendLogin(page, username, password)
      await page.says('#login-error', 'Invalid credentials')
      assert.equal(await page.page.getAttribute('#password', 'aria-invalid'), 'true')
      assert.equal(await page.page.evaluate('document.activeElement.id'), 'password')
      await page.press('Shift+Tab')
      await page.press('Shift+Tab')
    }
    await page.picture('account-mistake-light')
    await page.isInOrder()
  })

  it('an administrator revokes a session and logs out a user', async (t) => {
    const [alice, bob, guest] = await Promise.all([
      openAccount(t, url, { userAgent: PHONE }),
      openAccount(t, other, { userAgent: LAPTOP }),
      DemoPage.open(t, url),
    ])
    await logIn(alice, 'alice')
    await logIn(bob, 'bob')
    await guest.start('andrew', '60')

    const admin = await DemoPage.open(t, `${url}/admin`, {}, '#enter')
    assert.equal(new URL(admin.page.url()).search, '?return-to=%2Fadmin')
    await sendLogin(admin, 'admin', PASSWORDS.admin)
    await admin.shows('#recent-rows li')
    assert.equal(admin.page.url(), `${url}/admin`)
    await admin.says('#users', '3')
    await admin.says('#guests', '1')
    const row = async (name: string) => {
      const item = admin.page.locator('#recent-rows li', { has: admin.page.locator('h3', { hasText: name }) })
      return `#recent-rows li[data-id="${await item.getAttribute('data-id')}"]`
    }
    await admin.says(await row('bob'), /Firefox on Windows/)
    await admin.says(await row('andrew'), /guest/)
    await admin.picture('admin-light')

    await admin.tabTo(`${await row('bob')} button`)
    await withinASecond(
      () => admin.press('Enter'),
      () => bob.says('#enter-why', 'by an administrator'),
    )
    await admin.says('#status', 'Session of bob revoked.')

    await admin.tabTo(`${await row('alice')} button:nth-child(2)`)
    await withinASecond(
      () => admin.press('Enter'),
      () => alice.says('#enter-why', 'You were logged out everywhere.'),
    )
    await admin.says('#status', 'alice logged out everywhere: 1 session.')

    await admin.tabTo(`${await row('andrew')} button`)
    await admin.press('Enter')
    await guest.says('#begin-title', 'Session expired')
    await admin.says('#users', '1')

    // The administrator's own session goes the same way.
    await admin.tabTo(`${await row('admin')} button`)
    await admin.press('Enter')
    await admin.says('#void-why', 'It was revoked')
    assert.equal(await admin.page.locator('#recent').isVisible(), false)
    await admin.picture('admin-ended-light')
    for (const page of [alice, bob, guest, admin]) await page.isInOrder()
  })

  it('tells a user who is no administrator that permissions are insufficient', async (t) => {
    const page = await openAccount(t, url)
    await logIn(page, 'alice')
    await page.tabTo('.pages a[href="/admin"]')
    const answer = page.page.waitForResponse(`${url}/admin`)
    await page.press('Enter')
    assert.equal((await answer).status(), 403)
    await page.says('h1', 'Insufficient permissions')
    await page.isReadable()
    await page.picture('admin-forbidden-light')
    await page.tabTo('main a')
    await page.press('Enter')
    await page.says('#me-title', 'alice')
    await page.isInOrder()
  })

  it('goes nowhere but to a page of this site after a login', async (t) => {
    const evil = encodeURIComponent('//evil.example/admin')
    const page = await DemoPage.open(t, `${url}/account?return-to=${evil}`, {}, '#enter')
    await logIn(page, 'alice')
    assert.equal(new URL(page.page.url()).host, new URL(url).host)
    await page.isInOrder()
  })

  it('says when Redis has lost the session, as soon as it is back', async (t) => {
    const own = await startRedis()
    const ownDemo = await startDemo(['--redis-url', own.url, '--port', '0'])
    t.after(ownDemo.stop)
    const page = await openAccount(t, ownDemo.urls[0] as string)
    await logIn(page, 'alice')
    await own.stop()
    await page.tabTo('#logout-others')
    await page.press('Enter')
    await page.says('#problem', /no connection to Redis|store did not answer/)
    const again = await startRedis({ port: own.port })
    t.after(again.stop)
    await page.says('#enter-title', 'Session ended')
    await logIn(page, 'alice')
    assert.equal(await page.page.locator('#problem').isVisible(), false)
    await page.isInOrder()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`fits a phone and is readable in a ${colorScheme} scheme`, async (t) => {
      const options = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme, userAgent: PHONE }
      const page = await DemoPage.open(t, `${url}/admin`, options, '#enter')
      const check = async (name: string) => {
        await page.fitsTheWidth()
        await page.isReadable()
        await page.picture(`phone-${name}-${colorScheme}`)
      }
      await check('account-start')
      await sendLogin(page, 'admin', 'wrong')
      await page.shows('#login-error')
      await check('account-mistake')
      await page.press('Shift+Tab')
      await page.press('Shift+Tab')
      await sendLogin(page, 'admin', PASSWORDS.admin)
      await page.shows('#recent-rows li')
      await check('admin')
      await page.tabTo('.pages a[href="/account"]')
      await page.press('Enter')
      await page.shows('#device-rows li')
      await check('account')
      await page.tabTo('#logout')
      await page.press('Enter')
      await page.says('#enter-title', 'Logged out')
      await check('account-ended')
      await page.isInOrder()
    })
  }

  it('has a dark scheme', async (t) => {
    const page = await DemoPage.open(t, `${url}/admin`, { colorScheme: 'dark', userAgent: LAPTOP }, '#enter')
    await page.isReadable()
    await sendLogin(page, 'admin', PASSWORDS.admin)
    await page.shows('#recent-rows li')
    await page.isReadable()
    await page.picture('admin-dark')
    await page.page.goto(`${url}/account`)
    await page.shows('#device-rows li')
    await page.isReadable()
    await page.picture('account-dark')
    await page.isInOrder()
  })
})
