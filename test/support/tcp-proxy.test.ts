import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { startProxy } from './tcp-proxy.ts'

describe('the TCP proxy', () => {
  let echo: Server
  let port: number

  before(async () => {
    echo = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => socket.destroy()).pipe(socket))
    await once(echo.listen(0, '127.0.0.1'), 'listening')
    port = (echo.address() as { port: number }).port
  })
  after(() => echo.close())

  it('delays both directions', async () => {
    const proxy = await startProxy(port, { delayMs: 40 })
    const socket = connect(proxy.port, '127.0.0.1')
    const started = performance.now()
    socket.write('ping')
    const [answer] = await once(socket, 'data')
    assert.equal(String(answer), 'ping')
    assert.ok(performance.now() - started >= 80)
    socket.destroy()
    await proxy.stop()
  })

  it('keeps the order of bytes while the delay changes', async () => {
    const proxy = await startProxy(port)
    const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    let sent = ''
    for (let i = 0; i < 200; i++) {
      proxy.setDelay((i * 7) % 20)
      sent += `${i},`
      await new Promise((resolve) => socket.write(`${i},`, resolve))
    }
    socket.end()
    let received = ''
    for await (const chunk of socket) received += chunk
    assert.equal(received, sent)
    await proxy.stop()
  })

  it('holds everything back while paused, and delivers it on resume', async () => {
    const proxy = await startProxy(port)
    const socket = connect(proxy.port, '127.0.0.1')
    await once(socket, 'connect')
    proxy.pause()
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.write('held')
    // Another connection that goes round the proxy gets its answer: the echo server has had every chance.
    const direct = connect(port, '127.0.0.1')
    direct.end('direct')
    await once(direct, 'data')
    assert.equal(received, '')
    proxy.resume()
    await once(socket, 'data')
    assert.equal(received, 'held')
    socket.destroy()
    await proxy.stop()
  })

  it('cuts connections and accepts new ones; stops and accepts none', async () => {
    const proxy = await startProxy(port)
    const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined)
    socket.write('x')
    await once(socket, 'data')
    proxy.cut()
    await once(socket, 'close')

    const again = connect(proxy.port, '127.0.0.1')
    again.write('y')
    assert.equal(String((await once(again, 'data'))[0]), 'y')
    again.on('error', () => undefined)
    await proxy.stop()

    const refused = connect(proxy.port, '127.0.0.1')
    const [error] = await once(refused, 'error')
    assert.equal(error.code, 'ECONNREFUSED')
  })
})
