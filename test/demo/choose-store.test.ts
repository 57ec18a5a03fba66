import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { describe, it, type TestContext } from 'node:test'
import { createClient } from 'redis'
import { freePort, startRedis } from '../support/redis-server.ts'
import { pathWith, temporaryFolder } from './bin.ts'
import { type DemoProcess, listens, runDemo, startDemo, startSearchingDemo, until } from './demo-process.ts'
import { live, Visitor } from './visitor.ts'

const PORT_0 = ['--port', '0']

/** The demo serves, and says so of the store that it named when it started. */
async function servesFrom(demo: DemoProcess, store: RegExp): Promise<void> {
  const { store: name } = live(await new Visitor(demo.urls[0] as string).post('/login'))
  assert.match(name, store)
}

describe('a Redis that was named', { timeout: 60_000 }, () => {
  it('is taken', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    for (const args of [
      ['--redis-url', redis.url],
      ['--redis-host', '127.0.0.1', '--redis-port', `${redis.port}`],
    ]) {
      const demo = await startDemo([...PORT_0, ...args])
      assert.match(demo.output(), new RegExp(`^Sessions are kept in the Redis at 127.0.0.1:${redis.port}\\.$`, 'm'))
      await servesFrom(demo, new RegExp(`^Redis at 127.0.0.1:${redis.port}$`))
      await demo.stop()
    }
    const client = await redis.connect()
    assert.equal((await client.keys('session:{??}:??????????????????????')).length, 2)
  })

  it('is named by the environment as well', async (t) => {
    const redis = await startRedis({ args: ['--requirepass', 'open sesame'] })
    t.after(redis.stop)
    const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: `${redis.port}`, REDIS_PASSWORD: 'open sesame', PORT: '0' }
    const demo = await startDemo([], { env })
    await servesFrom(demo, new RegExp(`^Redis at 127.0.0.1:${redis.port}$`))
    const { stdout, stderr } = await demo.stop()
    assert.doesNotMatch(stdout + stderr, /sesame/)
  })

  it('must answer: else the demo ends with an error and exit code 1', async () => {
    const port = await freePort()
    assert.deepEqual(await runDemo(['--redis-url', `redis://me:hunter2@127.0.0.1:${port}`]), {
      code: 1,
      signal: null,
      stdout: '',
      stderr: `coatcheck demo: The Redis at 127.0.0.1:${port} cannot be used: nothing listens there (ECONNREFUSED).\n`,
    })
  })

  it('must answer in time', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    process.kill(redis.pid, 'SIGSTOP')
    const { code, stderr } = await runDemo(['--redis-url', redis.url])
    assert.equal(code, 1)
    assert.match(stderr, /cannot be used: no answer within 3 seconds\.$/m)
  })

  it('must let the demo in', async (t) => {
    const redis = await startRedis({ args: ['--requirepass', 'open sesame'] })
    t.after(redis.stop)
    const without = await runDemo(['--redis-url', redis.url])
    assert.equal(without.code, 1)
    assert.match(without.stderr, /cannot be used: it wants a password; set REDIS_PASSWORD/)
    const wrong = await runDemo(['--redis-url', redis.url], { env: { REDIS_PASSWORD: 'hunter2' } })
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /cannot be used: it refuses the password/)
    assert.doesNotMatch(wrong.stderr, /hunter2/)
  })

  it('must take writes', async (t) => {
    const redis = await startRedis({ args: ['--replicaof', '127.0.0.1', `${await freePort()}`] })
    t.after(redis.stop)
    const { code, stderr } = await runDemo(['--redis-url', redis.url])
    assert.equal(code, 1)
    assert.match(stderr, /cannot be used: it is a read-only replica\.$/m)
  })
})

describe('a demo for which no Redis was named', { timeout: 60_000 }, () => {
  it('takes the one on this machine', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demo = await startSearchingDemo(PORT_0, { localPort: redis.port })
    assert.match(demo.output(), new RegExp(`^Sessions are kept in the Redis at localhost:${redis.port}\\.$`, 'm'))
    await servesFrom(demo, new RegExp(`^Redis at localhost:${redis.port}$`))
    await demo.stop()
  })

  it('says why it does not take the one on this machine', async (t) => {
    const redis = await startRedis({ args: ['--requirepass', 'open sesame'] })
    t.after(redis.stop)
    const env = { PATH: await temporaryFolder(t) }
    const demo = await startSearchingDemo(PORT_0, { localPort: redis.port, env })
    assert.match(
      demo.output(),
      new RegExp(`^There is a server at localhost:${redis.port}, but .* wants a password`, 'm'),
    )
    await demo.stop()
  })

  it('starts a private server', async (t) => {
    const demo = await privateDemo(t)
    assert.match(demo.output(), /^Sessions are kept in a private redis-server at 127\.0\.0\.1:\d+: nothing on disk/m)
    await servesFrom(demo, /^private redis-server at 127\.0\.0\.1:\d+$/)
    await demo.stop()
  })

  it('starts valkey-server where redis-server does not work', async (t) => {
    const PATH = await pathWith(t, { 'redis-server': 'broken', 'valkey-server': 'real' })
    const demo = await startSearchingDemo(PORT_0, { env: { PATH } })
    assert.match(demo.output(), /^redis-server is installed but does not start\.$/m)
    await servesFrom(demo, /^private valkey-server at/)
    await demo.stop()
  })

  it('keeps the sessions in memory where no server is installed, and says what that means', async (t) => {
    const demo = await startSearchingDemo(PORT_0, { env: { PATH: await temporaryFolder(t) } })
    assert.match(demo.output(), /^Sessions are kept in the memory of this process.*they end with it.*no other process/m)
    await servesFrom(demo, /^memory of this process$/)
    await demo.stop()
  })
})

describe('the private server', { timeout: 60_000 }, () => {
  it('ends with the demo, and leaves nothing on disk', async (t) => {
    const TMPDIR = await temporaryFolder(t)
    const demo = await privateDemo(t, { TMPDIR })
    const client = await createClient({ url: `redis://127.0.0.1:${privatePort(demo)}` }).connect()
    const pid = Number(/^process_id:(\d+)/m.exec(await client.info('server'))?.[1])
    client.destroy()
    assert.equal(isRunning(pid), true)
    assert.equal((await readdir(TMPDIR)).length, 1, 'its folder')
    assert.deepEqual(await readdir(`${TMPDIR}/${(await readdir(TMPDIR))[0]}`), [])
    await demo.stop()
    // Not by its port, which may be another server's by now.
    assert.equal(isRunning(pid), false)
    assert.deepEqual(await readdir(TMPDIR), [])
  })

  it('ends when the demo is killed', async (t) => {
    const TMPDIR = await temporaryFolder(t)
    const demo = await privateDemo(t, { TMPDIR })
    const port = privatePort(demo)
    assert.equal(await listens(port), true)
    demo.signal('SIGKILL')
    assert.equal((await demo.ended).signal, 'SIGKILL')
    await until(async () => !(await listens(port)))
    await until(async () => (await readdir(TMPDIR)).length === 0)
  })

  it('listens on the loopback address alone', async (t) => {
    const demo = await privateDemo(t)
    const client = await createClient({ url: `redis://127.0.0.1:${privatePort(demo)}` }).connect()
    assert.equal((await client.configGet('bind')).bind, '127.0.0.1')
    assert.equal((await client.configGet('save')).save, '')
    assert.equal((await client.configGet('appendonly')).appendonly, 'no')
    client.destroy()
    await demo.stop()
  })
})

async function privateDemo(t: TestContext, env: Record<string, string> = {}): Promise<DemoProcess> {
  return startSearchingDemo(PORT_0, { env: { PATH: await pathWith(t, { 'redis-server': 'real' }), ...env } })
}

function privatePort(demo: DemoProcess): number {
  return Number(/private redis-server at 127\.0\.0\.1:(\d+)/.exec(demo.output())?.[1])
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
