import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { assertEveryKeyExpires, assertNoToken, freePort, startRedis } from './redis-server.ts'

/** Resolves when nothing accepts connections on the port any more. */
async function closed(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise((resolve) =>
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false)),
    )
    if (!open) return
    // By its end or by a reset: no matter.
    await new Promise((resolve) => socket.resume().on('close', resolve)) // The server's death ends the connection: no need to ask again and again.
  }
}

describe('the Redis harness', () => {
  it('ends its server when the test process is killed', { timeout: 10_000 }, async () => {
    const program = `
      import { startRedis } from ${JSON.stringify(new URL('./redis-server.ts', import.meta.url).href)}
      console.log((await startRedis()).port)
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [output] = await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await closed(Number(output))
  })

  it('ends a frozen server, and starts another one on the same port', async () => {
    const first = await startRedis()
    process.kill(first.pid, 'SIGSTOP')
    await first.stop()
    const second = await startRedis({ port: first.port })
    const client = await second.connect()
    assert.equal(await client.ping(), 'PONG')
    await second.stop()
  })

  it('says why a server did not start', async () => {
    const port = await freePort()
    await assert.rejects(startRedis({ port, args: ['--no-such-option', 'x'] }), /did not start[\s\S]*no-such-option/)
  })

  it('finds keys that live for ever', async () => {
    const server = await startRedis()
    const client = await server.connect()
    await client.set('mortal', 'x', { expiration: { type: 'EX', value: 60 } })
    assert.equal(await assertEveryKeyExpires(client), 1)
    await client.set('immortal', 'x')
    await assert.rejects(assertEveryKeyExpires(client), /immortal/)
    await server.stop()
  })

  it('finds a token in a key, a string, a hash field, a hash value and a sorted set', async () => {
    const server = await startRedis()
    const client = await server.connect()
    await client.set('key-token1', 'x')
    await client.set('string', 'x token2 x')
    await client.hSet('hash', { field: 'token3', '-token4-': 'x', other: 'y' })
    await client.zAdd('zset', { score: 1, value: 'token5' })
    for (const n of [1, 2, 3, 4, 5]) await assert.rejects(assertNoToken(client, [`token${n}`]), /holds a token/)
    await assertNoToken(client, ['token6'])
    await assert.rejects(assertNoToken(client, []), /prove nothing/)
    await server.stop()
  })
})
