import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build } from 'esbuild'
import { type Consumer, installPacked } from '../../scripts/packed.ts'
import { assertEveryKeyExpires, assertNoToken, type RedisServer, startRedis } from '../support/redis-server.ts'

const nodes = { 24: process.execPath, 22: join(import.meta.dirname, 'node22/node_modules/.bin/node') }

describe('the package', () => {
  // Without express and redis: they are optional. So is express-session, which one entry extends.
  let consumer: Consumer
  before(() => {
    consumer = installPacked({ 'express-session': 'express-session' })
    copyFileSync(join(import.meta.dirname, 'consumer/smoke.mjs'), join(consumer.folder, 'smoke.mjs'))
  })
  after(() => consumer.remove())

  for (const [major, node] of Object.entries(nodes)) {
    it(`can be imported and used on Node ${major}`, () => {
      const output = execFileSync(node, ['smoke.mjs'], { cwd: consumer.folder, encoding: 'utf8' })
      assert.match(output, new RegExp(`^v${major}\\.`))
    })
  }
})

describe('an application bundled into one file', () => {
  let consumer: Consumer
  let elsewhere: string
  let redis: RedisServer
  before(async () => {
    consumer = installPacked({ express: 'express', redis: 'redis' })
    copyFileSync(join(import.meta.dirname, 'consumer/app.mjs'), join(consumer.folder, 'app.mjs'))
    elsewhere = mkdtempSync(join(tmpdir(), 'coatcheck-bundle-'))
    redis = await startRedis()
  })
  after(async () => {
    await redis.stop()
    consumer.remove()
    rmSync(elsewhere, { recursive: true })
  })

  // As a module it is in bundlers.test.ts.
  it('keeps sessions in Redis with no package beside it, as CommonJS', async () => {
    const outfile = join(elsewhere, 'app.cjs')
    const entryPoints = [join(consumer.folder, 'app.mjs')]
    await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'cjs' })

    const env = { ...process.env, REDIS_URL: redis.url }
    const app = spawn(process.execPath, [outfile], { cwd: elsewhere, env, stdio: ['pipe', 'pipe', 'inherit'] })
    const exited = once(app, 'exit')
    try {
      const [port] = await once(app.stdout, 'data')
      const url = `http://127.0.0.1:${Number(port)}/`
      const first = await fetch(url)
      assert.deepEqual(await first.json(), { views: 1 })
      const [cookie = ''] = first.headers.getSetCookie().map((line) => line.split(';')[0])
      const second = await fetch(url, { headers: { cookie } })
      assert.deepEqual(await second.json(), { views: 2 })

      const client = await redis.connect()
      assert.ok((await assertEveryKeyExpires(client)) > 0)
      await assertNoToken(client, [cookie.split('=')[1] ?? ''])
    } finally {
      app.stdin.end()
      await exited
    }
  })
})
