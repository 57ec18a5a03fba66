import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { assertEveryKeyExpires, freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { block } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

// docs/to-native.md is the way of an app from express-session to our adapter. Its users go it here.

const PAGE = 'docs/to-native.md'
const PROGRAMS = {
  old: block(PAGE, 'typescript', 'Where it begins'),
  adopting: block(PAGE, 'typescript', 'Step 2: the switch'),
}
const REMOVED = block(PAGE, 'diff', 'Step 3: without the old sessions')
  .trimEnd()
  .split('\n')
  .map((line) => line.replace(/^-/, ''))

/** A browser: cookies by name. */
class Browser {
  readonly cookies = new Map<string, string>()
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async send(path: string, method = 'GET'): Promise<{ status: number; json: () => Promise<unknown> }> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(this.#url + path, { method, redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    // express-session sends the head first, and the end once it has saved: who goes on before that has not seen an answer.
    const text = await response.text()
    return { status: response.status, json: async () => JSON.parse(text) }
  }

  async cart(): Promise<unknown> {
    return (await this.send('/cart')).json()
  }
}

describe('the way of docs/to-native.md', { timeout: 120_000 }, () => {
  const sandbox = new Sandbox()
  let redis: RedisServer
  const running: Running[] = []
  const files: Record<string, string> = {}

  before(async () => {
    for (const [name, code] of Object.entries(PROGRAMS)) files[name] = sandbox.write(`${name}.ts`, code)
    const lines = PROGRAMS.adopting.split('\n')
    for (const line of REMOVED) {
      const at = lines.indexOf(line)
      assert.notEqual(at, -1, `step 3 removes what is not there: ${line}`)
      lines.splice(at, 1)
    }
    files.last = sandbox.write('last.ts', lines.join('\n'))
    redis = await startRedis()
  })
  after(async () => {
    for (const app of running) await app.stop()
    await redis.stop()
    sandbox.remove()
  })

  async function start(name: 'old' | 'adopting' | 'last', port: number): Promise<Running> {
    const env = { REDIS_URL: redis.url, PORT: String(port), SESSION_SECRET: 'of the app' }
    const app = sandbox.start(files[name] as string, env)
    running.push(app)
    await app.listens(port)
    return app
  }

  test('compiles at every step', async () => {
    assert.equal(await sandbox.typeErrors(), '')
  })

  test('logs nobody out, and what cannot be rolled back is what it says', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const [ada, visitor, late] = [new Browser(url), new Browser(url), new Browser(url)]
    const user = { id: 42, name: 'Ada', roles: ['editor'] }

    let app = await start('old', port)
    for (const [browser, item] of [
      [ada, 'hat'],
      [late, 'umbrella'],
    ] as const) {
      await browser.send('/login', 'POST')
      await browser.send(`/cart?item=${item}`, 'POST')
    }
    await visitor.send('/cart?item=tea', 'POST')
    await app.stop()

    app = await start('adopting', port)
    assert.deepEqual(await ada.cart(), { user, cart: ['hat'], messages: ['Welcome back.'] })
    assert.deepEqual([...ada.cookies.keys()], ['connect.sid', 'sid'])
    assert.equal((await ada.send('/password')).status, 200)
    await ada.send('/cart?item=scarf', 'POST')
    assert.deepEqual(await ada.cart(), { user, cart: ['hat', 'scarf'], messages: [] })
    // A visitor logs in, and keeps the cart.
    assert.deepEqual(await visitor.cart(), { cart: ['tea'], messages: [] })
    assert.equal((await visitor.send('/password')).status, 401)
    await visitor.send('/login', 'POST')
    assert.deepEqual(await visitor.cart(), { user, cart: ['tea'], messages: ['Welcome back.'] })
    await app.stop()

    // Rolled back: whoever was adopted is a stranger there, and nobody else.
    app = await start('old', port)
    assert.deepEqual(await ada.cart(), { cart: [], messages: [] })
    assert.deepEqual(await late.cart(), { user, cart: ['umbrella'], messages: ['Welcome back.'] })
    await app.stop()

    // And on again.
    app = await start('adopting', port)
    assert.deepEqual(await ada.cart(), { user, cart: ['hat', 'scarf'], messages: [] })
    assert.deepEqual(await late.cart(), { user, cart: ['umbrella'], messages: [] })
    await app.stop()

    app = await start('last', port)
    for (const browser of [ada, late, visitor]) {
      assert.deepEqual(((await browser.cart()) as { user: unknown }).user, user)
      await browser.send('/logout', 'POST')
      assert.deepEqual([...browser.cookies.keys()], ['connect.sid'])
      assert.deepEqual(await browser.cart(), { cart: [], messages: [] })
    }
    assert.ok((await assertEveryKeyExpires(await redis.connect())) > 0)
  })
})
