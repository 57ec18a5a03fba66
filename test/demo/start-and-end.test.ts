import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect, createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { measureStall } from '../support/lag.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { listens, runDemo, startDemo } from './demo-process.ts'
import { Visitor } from './visitor.ts'

describe('starting and ending the demo', { timeout: 60_000 }, () => {
  let redis: RedisServer
  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())

  it('prints the help and does nothing else', async () => {
    const { code, stdout, stderr } = await runDemo(['--help'])
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    for (const flag of ['port', 'redis-url', 'redis-host', 'redis-port', 'instances', 'secure', 'help']) {
      assert.match(stdout, new RegExp(`^  --${flag} `, 'm'))
    }
    for (const name of ['PORT', 'REDIS_URL', 'REDIS_HOST', 'REDIS_PORT', 'REDIS_PASSWORD']) {
      assert.match(stdout, new RegExp(`\\s${name}$`, 'm'))
    }
  })

  it('says what is wrong with an option, in one line, with exit code 1', async () => {
    assert.deepEqual(await runDemo(['--port', 'eighty']), {
      code: 1,
      signal: null,
      stdout: '',
      stderr: "coatcheck demo: --port must be a whole number from 0 to 65535, not 'eighty'.\n",
    })
  })

  it('says that a port is in use, with exit code 1, also that of the second instance', async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.after(() => other.close())
    const { port } = other.address() as { port: number }
    for (const args of [
      ['--port', `${port}`],
      ['--port', `${port - 1}`, '--instances', '2'],
    ]) {
      const { code, stderr } = await runDemo(['--redis-url', redis.url, ...args])
      assert.equal(code, 1)
      assert.match(
        stderr,
        new RegExp(`^coatcheck demo: Port (?:${port}|${port - 1}) is in use\\. Choose another: .*\n$`),
      )
    }
  })

  it('takes the ports from --port on, one for each instance', async (t) => {
    const first = await twoFreePorts()
    const demo = await startDemo(['--redis-url', redis.url, '--port', `${first}`, '--instances', '2'])
    t.after(demo.stop)
    assert.deepEqual(demo.urls, [`http://localhost:${first}`, `http://localhost:${first + 1}`])
    for (const url of demo.urls) assert.equal((await fetch(url)).status, 200)
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`ends at once by ${signal}, with connections open`, async () => {
      const demo = await startDemo(['--redis-url', redis.url, '--port', '0', '--instances', '2'])
      const agent = new Agent({ keepAlive: true })
      for (const url of demo.urls) {
        const [response] = await once(get(url, { agent }), 'response')
        response.resume()
        await once(response, 'end')
      }
      assert.equal(Object.keys(agent.freeSockets).length, 2, 'connections kept open')
      // And one whose request never ends.
      const slow = connect(Number(new URL(demo.urls[0] as string).port), '127.0.0.1').on('error', () => {})
      slow.write('POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n')
      await once(slow, 'data')
      const [begin, busy] = [performance.now(), measureStall()]
      demo.signal(signal)
      const { code, signal: killed, stderr } = await demo.ended
      assert.deepEqual({ code, killed, stderr }, { code: 0, killed: null, stderr: '' })
      assert.ok(performance.now() - begin < 1000 + busy(), `took ${performance.now() - begin} ms`)
      for (const url of demo.urls) assert.equal(await listens(Number(new URL(url).port)), false)
      agent.destroy()
      slow.destroy()
    })
  }

  it('ends at once while Redis does not answer', async (t) => {
    const frozen = await startRedis()
    t.after(frozen.stop)
    const demo = await startDemo(['--redis-url', frozen.url, '--port', '0'])
    const visitor = new Visitor(demo.urls[0] as string)
    await visitor.post('/login')
    process.kill(frozen.pid, 'SIGSTOP')
    const waiting = visitor.get('/session').catch(() => null)
    const [begin, busy] = [performance.now(), measureStall()]
    const { code } = await demo.stop()
    assert.equal(code, 0)
    assert.ok(performance.now() - begin < 1000 + busy(), `took ${performance.now() - begin} ms`)
    await waiting
  })
})

async function twoFreePorts(): Promise<number> {
  for (;;) {
    const servers = [createServer(), createServer()] as const
    servers[0].listen(0, '127.0.0.1')
    await once(servers[0], 'listening')
    const { port } = servers[0].address() as { port: number }
    const second = await once(servers[1].listen(port + 1, '127.0.0.1'), 'listening').then(
      () => true,
      () => false,
    )
    for (const server of servers) server.close()
    if (second) return port
  }
}
