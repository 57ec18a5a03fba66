import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type DemoProcess, startDemo, startSearchingDemo, until } from '../demo/demo-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { DemoPage } from './demo-page.ts'

describe('the demo in a browser', { timeout: 120_000 }, () => {
  let redis: RedisServer
  let demo: DemoProcess
  let url: string

  before(async () => {
    redis = await startRedis()
    demo = await startDemo(['--redis-url', redis.url, '--port', '0', '--instances', '2'])
    url = demo.urls[0] as string
  })
  after(async () => {
    await demo.stop()
    await redis.stop()
  })

  it('is worked from start to logout by keyboard alone', async (t) => {
    const page = await DemoPage.open(t, url)
    assert.equal(await page.page.inputValue('#login-ttl'), '15')
    await page.picture('start-light')

    await page.start('andrew', '20')
    await page.says('#live-title', 'andrew')
    await page.says('#status', 'Session of andrew started. It expires after 20 seconds without an action.')
    const key = await page.text('#key')
    const client = await redis.connect()
    const stored = { ...(await client.hGetAll(key)) }
    assert.equal(stored.username, 'andrew')
    for (const [field, value] of Object.entries(stored)) assert.equal(await page.field(field), value)
    const began = await page.text('#fields tr[data-field="created_at"] small')
    assert.match(began, /^\d{1,2} \w{3,4} \d{4}, \d\d:\d\d:\d\d\.\d{3}/)
    assert.equal(Date.parse(began.split(' · ')[0]?.replace('Sept', 'Sep') ?? ''), Number(stored.created_at))
    await page.says('#cost', /^POST \/login: /)
    await page.says('#commands', 'create.lua')

    await page.tabTo('#increment button')
    await page.press('Enter')
    await page.says('#page-views', /^2$/)
    await page.press('Space')
    await page.says('#page-views', /^3$/)
    assert.equal(await page.field('page_views'), '3')
    assert.equal(await client.hGet(key, 'page_views'), '3')
    await page.says('#cost', /^POST \/increment: /)
    await page.says('#commands li:nth-child(1)', `HGETALL ${key}`)
    await page.says('#commands li:nth-child(2)', /commit\.lua .*EVALSHA \w{40} \d session:/)
    await page.says('#looking', `HGETALL ${key}`)
    await page.picture('live-light')

    await page.type('#new-ttl', '0')
    await page.press('Enter')
    await page.says('#ttl-error', 'The TTL must be a whole number of seconds above 0.')
    assert.equal(await page.page.getAttribute('#new-ttl', 'aria-invalid'), 'true')
    await page.press('ControlOrMeta+A')
    await page.page.keyboard.type('90')
    await page.press('Enter')
    await page.says('#configured', '90 s')
    await page.says('#left', /^8\d\.\d s$/)
    assert.equal(await page.page.locator('#ttl-error').isVisible(), false)
    assert.equal(await page.field('session_ttl'), '90')
    assert.ok((await client.pTTL(key)) > 80_000)

    await page.tabTo('#logout button')
    await page.press('Enter')
    await page.says('#begin-title', 'Logged out')
    await page.says('#hash-gone', key)
    await page.says('#commands', 'destroy.lua')
    assert.equal(await client.exists(key), 0)
    // Where the button was there is nothing any more: the next Tab leads into the form.
    await page.press('Tab')
    assert.equal(await page.page.evaluate('document.activeElement.id'), 'username')
    client.destroy()
    await page.isInOrder()
  })

  it('counts down, and shows the session expire by itself, not extended by the watching', async (t) => {
    const page = await DemoPage.open(t, url)
    // Noted by the page itself: on a busy machine the session may have expired before it is asked for the next second.
    await page.page.evaluate(`
      window.seen = []
      new MutationObserver(() => {
        const [field, watched] = ['#fields tr[data-field="last_accessed_at"] code.value', '#watched'].map((s) => document.querySelector(s))
        const left = document.querySelector('#bar').getAttribute('aria-valuenow')
        if (field !== null) window.seen.push({ left, accessed: field.textContent.trim(), watched: watched.textContent })
      }).observe(document.querySelector('#bar'), { attributeFilter: ['aria-valuenow'] })
    `)
    const before = performance.now()
    await page.start('andrew', '4')
    const begun = performance.now()
    const key = await page.text('#key')
    assert.equal(await page.page.locator('#bar').getAttribute('aria-valuemax'), '4')
    await page.says('#begin-title', 'Session expired')
    // It began between the two, and on a busy machine they are more than a second apart.
    const [most, least] = [before, begun].map((at) => performance.now() - at) as [number, number]
    assert.ok(most > 3800 && least < 8000, `expired after ${least} to ${most} ms`)
    const all = (await page.page.evaluate('window.seen')) as { left: string; accessed: string; watched: string }[]
    const seen = all.filter(({ left }) => ['3', '2', '1'].includes(left))
    assert.deepEqual(
      seen.map(({ left }) => left),
      ['3', '2', '1'],
    )
    assert.equal(new Set(seen.map(({ accessed }) => accessed)).size, 1, 'watching has extended it')
    assert.match(
      seen.at(-1)?.watched ?? '',
      /^Looked at (?:once|\d times) since the last action, and not extended by it\.$/,
    )
    await page.says('#status', 'Session expired.')
    await page.says('#hash-gone', key)
    await page.picture('expired-light')
    // The cookie is still there, and still opens nothing.
    await page.page.reload()
    await page.says('#begin-title', 'Session expired')
    await page.start('andrew again', '15')
    await page.says('#live-title', 'andrew again')
    await page.isInOrder()
  })

  it('goes on with a session at the other instance', async (t) => {
    const page = await DemoPage.open(t, url)
    await page.says('.instances', 'Served by instance 1 of 2')
    await page.start('andrew', '30')
    const key = await page.text('#key')
    await page.tabTo('.instances a')
    await page.press('Enter')
    await page.page.waitForURL(`${demo.urls[1]}/`)
    await page.says('.instances', 'Served by instance 2 of 2')
    await page.says('#live-title', 'andrew')
    await page.says('#key', key)
    await page.tabTo('#increment button')
    await page.press('Enter')
    await page.says('#page-views', /^2$/)
    await page.isInOrder()
  })

  it('notices what happens to the session elsewhere', async (t) => {
    const page = await DemoPage.open(t, url)
    await page.start('andrew', '30')
    const other = await page.page.context().newPage()
    await other.goto(url)
    await other.click('#increment button')
    await page.says('#page-views', /^2$/)
    await other.click('#logout button')
    await page.says('#begin-why', 'You have no cookie')
    await page.isInOrder()
  })

  it('keeps the form, with a word on what is wrong, when it cannot start a session', async (t) => {
    const page = await DemoPage.open(t, url)
    for (const ttl of ['', '0', '2.5', '3601']) {
      await page.type('#login-ttl', ttl)
      await page.press('Enter')
      await page.says('#login-error', ttl === '3601' ? 'must not exceed' : 'must be a whole number')
      assert.equal(await page.page.evaluate('document.activeElement.id'), 'login-ttl')
      await page.press('Shift+Tab')
    }
    await page.picture('mistake-light')
    await page.isInOrder()
  })

  it('says so while Redis is away, and goes on when it is back', async (t) => {
    const own = await startRedis()
    const ownDemo = await startDemo(['--redis-url', own.url, '--port', '0'])
    t.after(ownDemo.stop)
    const page = await DemoPage.open(t, ownDemo.urls[0] as string)
    await page.start('andrew', '60')
    await own.stop()
    await page.says('#problem', /no connection to Redis|store did not answer/)
    const again = await startRedis({ port: own.port })
    t.after(again.stop)
    // The session was kept in memory there, and is gone; that it is gone is an answer.
    await page.says('#begin-title', 'Session expired')
    await until(async () => !(await page.page.locator('#problem').isVisible()))
    await page.isInOrder()
  })

  it('says on the memory store what would be sent', async (t) => {
    const memory = await startSearchingDemo(['--port', '0'], { env: { PATH: '/nowhere' } })
    t.after(memory.stop)
    const page = await DemoPage.open(t, memory.urls[0] as string)
    await page.start('andrew', '15')
    await page.says('#would-be', 'There is no Redis behind this demo: these commands would be sent to one.')
    await page.says('#commands li', /create\.lua .*would be sent/)
    await page.picture('memory-light')
    await page.isInOrder()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`fits a phone and is readable in a ${colorScheme} scheme`, async (t) => {
      const page = await DemoPage.open(t, url, {
        viewport: { width: 360, height: 740 },
        deviceScaleFactor: 2,
        colorScheme,
      })
      const check = async (name: string) => {
        await page.fitsTheWidth()
        await page.isReadable()
        await page.picture(`phone-${name}-${colorScheme}`)
      }
      await check('start')
      await page.type('#login-ttl', '0')
      await page.press('Enter')
      await page.shows('#login-error')
      await check('mistake')
      await page.press('Shift+Tab')
      await page.press('Shift+Tab')
      await page.start('W'.repeat(64), '60')
      await page.shows('#looking')
      await check('live')
      await page.type('#new-ttl', '2')
      await page.press('Enter')
      await page.shows('.soon')
      await check('soon')
      await page.says('#begin-title', 'Session expired')
      await check('expired')
      await page.isInOrder()
    })
  }

  it('has a dark scheme', async (t) => {
    const page = await DemoPage.open(t, url, { colorScheme: 'dark' })
    const brightness = await page.page.evaluate(
      'getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, c) => sum + Number(c), 0)',
    )
    assert.ok((brightness as number) < 150, `${brightness}`)
    await page.start('andrew', '15')
    await page.shows('#looking')
    await page.isReadable()
    await page.picture('live-dark')
    await page.isInOrder()
  })

  it('holds still for who has asked for less motion', async (t) => {
    const page = await DemoPage.open(t, url, { reducedMotion: 'reduce' })
    await page.start('andrew', '30')
    await page.tabTo('#increment button')
    await page.press('Enter')
    await page.says('#page-views', /^2$/)
    assert.equal(await page.page.evaluate('document.getAnimations().length'), 0)
    await page.says('#left', /^\d+ s$/)
    await page.isInOrder()
  })

  it('shows a name as text, whatever is in it', async (t) => {
    const page = await DemoPage.open(t, url)
    const name = '<img src=x onerror=wrong(1)>"42"'
    await page.start(name, '15')
    await page.says('#live-title', name)
    assert.equal(await page.field('username'), name)
    assert.equal(await page.page.locator('img').count(), 0)
    await page.isInOrder()
  })
})
