import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathWith, temporaryFolder } from '../demo/bin.ts'
import { listens, until } from '../demo/demo-process.ts'
import { codeBlocks, ROOT, readPage } from '../docs/pages.ts'
import { Visitor } from '../support/http.ts'
import { freePort, startRedis } from '../support/redis-server.ts'
import { runExample, startExample } from './example-process.ts'

const EXAMPLES = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

describe('npm run example', { timeout: 60_000 }, () => {
  it('asks for a name that there is, and says which there are', async () => {
    for (const args of [['1'], ['1', 'nothing'], ['1', '../demo']]) {
      const { code, output } = await runExample(args)
      assert.equal(code, 1)
      assert.equal(output, `Which one? npm run example -- ${EXAMPLES.join(' | ')}\n`)
    }
  })

  it('says so when the Redis that was named does not answer', async () => {
    const port = await freePort()
    const { code, output } = await runExample(['1', 'express'], { REDIS_URL: `redis://me:hunter2@127.0.0.1:${port}` })
    assert.equal(code, 1)
    assert.equal(output, `The Redis at 127.0.0.1:${port} cannot be used: nothing listens there (ECONNREFUSED).\n`)
  })

  it('takes the Redis of this machine when none was named', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const app = await startExample(t, 'express', {}, { localPort: redis.port })
    assert.equal((await new Visitor(t, app).post('/login')).status, 204)
    assert.notDeepEqual(await redis.dump(), {})
  })

  it('starts a Redis where there is none, which ends with the example', async (t) => {
    const env = { PATH: await pathWith(t, { 'redis-server': 'real' }), TMPDIR: await temporaryFolder(t) }
    const app = await startExample(t, 'express', env, { localPort: await freePort() })
    const port = Number(/private redis-server at 127\.0\.0\.1:(\d+)/.exec(app.output)?.[1])
    assert.equal((await new Visitor(t, app).post('/login')).status, 204)
    assert.equal(await listens(port), true)
    assert.deepEqual(await app.terminate(), { code: 0, signal: null })
    await until(async () => !(await listens(port)))
    await until(async () => readdirSync(env.TMPDIR).length === 0)
  })

  it('says what to do where none can be started', async (t) => {
    const port = await freePort()
    const { code, output } = await runExample([String(port), 'express'], { PATH: await temporaryFolder(t) })
    assert.equal(code, 1)
    assert.equal(
      output,
      `There is no Redis at localhost:${port}, and none is installed that could be started. Install redis-server, or name ` +
        'a Redis: REDIS_URL=redis://…\n',
    )
  })

  it('serves with secure cookies elsewhere than on the own machine', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const app = await startExample(t, 'express', { REDIS_URL: redis.url, NODE_ENV: 'production' })
    const { cookies } = await new Visitor(t, app).post('/login')
    assert.match(cookies.join(), /^__Host-sid=.*; Secure;/)
  })
})

describe('examples/README.md', { timeout: 60_000 }, () => {
  const page = readPage('examples/README.md')
  const lines = codeBlocks(page).flatMap(({ code }) => code.trim().split('\n'))

  it('lists every example', () => {
    const listed = [...page.matchAll(/^\| \[([\w-]+)\]\(\1\/main\.ts\)/gm)].map(([, name]) => name)
    assert.deepEqual(listed.sort(), EXAMPLES)
  })

  it('shows commands that do what it says', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const visitor = new Visitor(t, await startExample(t, 'express', { REDIS_URL: redis.url }))
    for (const line of lines) {
      const [, name] = /^(?:[A-Z_]+=\S+ )*npm run example -- (\S+)$/.exec(line) ?? []
      if (name !== undefined) {
        assert.ok(EXAMPLES.includes(name), line)
        continue
      }
      const [, method = 'GET', path = '', answer = ''] =
        /^curl -c jar -b jar (?:-X (\w+) )?localhost:3000(\S+)(?: +# (.*))?$/.exec(line) ?? assert.fail(line)
      assert.equal((await visitor.send(path, { method })).text, answer)
    }
  })
})
