import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startRedis } from '../support/redis-server.ts'
import { pathWith } from './bin.ts'
import { runDemo, startDemo, startSearchingDemo } from './demo-process.ts'

const PORT_0 = ['--port', '0']

describe('what is wrong with the Redis of the demo', { timeout: 60_000 }, () => {
  it('is said at start, with what to do, and an error ends it where that Redis was named', async (t) => {
    const redis = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] })
    t.after(redis.stop)
    const { code, stdout, stderr } = await runDemo([...PORT_0, '--redis-url', redis.url])
    assert.equal(code, 1)
    assert.match(stdout, /^Error: Redis has maxmemory-policy allkeys-lru.*Set it to noeviction\.$/m)
    assert.match(stdout, /^Warning: Redis keeps nothing on disk.*appendonly to yes/m)
    const message = `The Redis at 127.0.0.1:${redis.port} cannot keep sessions as it is: put the error above right.`
    assert.ok(stderr.endsWith(`coatcheck demo: ${message}\n`), stderr)
  })

  it('is said, and it starts all the same, where it has found that Redis by itself', async (t) => {
    const redis = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] })
    t.after(redis.stop)
    const demo = await startSearchingDemo(PORT_0, { localPort: redis.port })
    assert.match(demo.output(), /^Error: Redis has maxmemory-policy allkeys-lru/m)
    await demo.stop()
  })

  it('does not keep it from starting where it is a risk', async (t) => {
    const redis = await startRedis()
    t.after(redis.stop)
    const demo = await startDemo([...PORT_0, '--redis-url', redis.url])
    assert.match(demo.output(), /^Warning: Redis has no limit of memory/m)
    await demo.stop()
  })

  it('is nothing but what has been said already, of a private server', async (t) => {
    const demo = await startSearchingDemo(PORT_0, { env: { PATH: await pathWith(t, { 'redis-server': 'real' }) } })
    assert.match(demo.output(), /^Sessions are kept in a private redis-server at .*: nothing on disk/m)
    assert.doesNotMatch(demo.output(), /Warning|Error/)
    await demo.stop()
  })

  it('is a right that the user lacks, by name', async (t) => {
    const redis = await startRedis({ args: ['--maxmemory', '100mb'] })
    t.after(redis.stop)
    const admin = await redis.connect()
    await admin.sendCommand(['ACL', 'SETUSER', 'shop', 'on', '>secret', '~*', '&*', '+@all', '-hincrby'])
    const url = `redis://shop:secret@127.0.0.1:${redis.port}`
    const { code, stdout } = await runDemo([...PORT_0, '--redis-url', url])
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^Error: The Redis user lacks rights that sessions need: \+hincrby\. Add them: ACL SETUSER <user> \+hincrby$/m,
    )
  })
})
